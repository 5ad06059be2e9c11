// Draws the curves of a launch, and those of its samplers, with uPlot. Each element with `data-metrics` is a box of curves
// over one list of records, by step. Of a launch only records that are new are fetched; where `data-whole` stands, all, and
// therefore not at each wake.
const uPlot = window.uPlot
const WHOLE_EVERY = 10_000 // milliseconds
const boxes = new Map() // by the id of its element: its curves

function colour(element, value) {
  const probe = element.appendChild(document.createElement('i'))
  probe.style.color = value // resolved by the browser to something that a canvas understands
  const found = getComputedStyle(probe).color
  probe.remove()
  return found
}

function figure(value) {
  if (value == null) return '–'
  const size = Math.abs(value)
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(4)))
}

function axis(muted, line, extra) {
  return { stroke: muted, font: '11px "Geist Mono", monospace', grid: { stroke: line, width: 1 }, ticks: { show: false }, ...extra }
}

// What the cursor points at, in words beside the title.
function tell(target, plot) {
  const [x, ...values] = plot.data.map((column) => column[plot.cursor.idx])
  target.closest('figure').querySelector('output').textContent = x == null ? '' : `step ${x}: ${values.map(figure).join(' · ')}`
}

// A dashed line where a later attempt began.
function mark(plot, records, colour) {
  const { ctx, bbox } = plot
  ctx.save()
  ctx.strokeStyle = ctx.fillStyle = colour
  ctx.font = `${11 * devicePixelRatio}px "Geist Mono", monospace`
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio])
  for (const [index, record] of records.entries()) {
    if (index === 0 || record.attempt === records[index - 1].attempt) continue
    const x = Math.round(plot.valToPos(record.step, 'x', true))
    if (x < bbox.left || x > bbox.left + bbox.width) continue
    ctx.beginPath()
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
    const words = `attempt ${record.attempt}`
    const fits = x + 5 * devicePixelRatio + ctx.measureText(words).width < bbox.left + bbox.width
    ctx.textAlign = fits ? 'left' : 'right'
    ctx.fillText(words, x + (fits ? 5 : -5) * devicePixelRatio, bbox.top + 11 * devicePixelRatio)
  }
  ctx.restore()
}

// What the reader zoomed to, which no update throws away; null where all steps show.
function zoomOf(plot) {
  const [steps, { min, max }] = [plot.data[0], plot.scales.x]
  return steps.length && min != null && min < steps.at(-1) && (min > steps[0] || max < steps.at(-1)) ? { min, max } : null
}

function show(plot, values) {
  const zoom = zoomOf(plot)
  plot.setData(values, !zoom)
  if (zoom) plot.setScale('x', zoom)
}

// The series with what is new: a later attempt began at a checkpoint, so its steps count and what was beyond goes.
function joined(before, fresh) {
  let series = [...before]
  for (const record of fresh) {
    if (series.length && record.attempt !== series.at(-1).attempt) series = series.filter(({ step }) => step < record.step)
    series.push(record)
  }
  return series
}

const isLater = (record, last) => !last || record.attempt > last.attempt || (record.attempt === last.attempt && record.number > last.number)

class Curves {
  plots = []
  records = [] // of all attempts: one series
  begun = [] // what was measured before the first of them
  shown // the element that the plots were drawn into
  measured = 0 // how many evaluations there were
  next = 0 // when a whole series may be fetched again
  later // the timer of that, where a wake came too early

  constructor(id) { this.id = id }

  get box() { return document.getElementById(this.id) }

  tellZoom() {
    const hint = this.shown?.isConnected && this.plots.length ? this.shown.querySelector('[data-zoom-hint]') : null
    if (!hint) return
    const zoomed = this.plots.some(({ plot }) => zoomOf(plot))
    hint.dataset.plain ??= hint.textContent
    hint.textContent = zoomed ? hint.dataset.zoomHint : hint.dataset.plain
    this.shown.querySelector('[data-zoom-reset]').hidden = !zoomed
  }

  showAll() {
    for (const { plot } of this.plots) plot.setScale('x', { min: plot.data[0][0], max: plot.data[0].at(-1) })
  }

  fit() {
    for (const { plot, target } of this.plots) plot.setSize({ width: target.clientWidth, height: plot.height })
  }

  options(target, names) {
    const [ink, muted, line] = ['var(--color-primary)', 'var(--muted)', 'var(--line)'].map((value) => colour(target, value))
    const points = { show: this.records.length < 40, size: 5 }
    return {
      width: target.clientWidth, height: Number(target.dataset.height ?? 110),
      padding: [8, 12, 0, 0],
      cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 }, sync: { key: 'launch' } },
      legend: { show: false },
      hooks: {
        setCursor: [(plot) => tell(target, plot)],
        setScale: [(_, key) => { if (key === 'x') this.tellZoom() }],
        draw: [(plot) => mark(plot, this.records, muted)],
      },
      scales: { x: { time: false } },
      axes: [
        axis(muted, line, { size: 28, incrs: [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6] }),
        axis(muted, line, { size: 62, values: (_, ticks) => ticks.map(figure) }),
      ],
      series: [
        {},
        ...names.map((_, index) => index === 0
          ? { stroke: ink, width: 1.75, spanGaps: true, points: { ...points, fill: ink } }
          : { stroke: muted, width: 1.75, dash: [6, 4], spanGaps: true, points: { ...points, fill: muted } }),
      ],
    }
  }

  // Whether any record tells one of them: a curve of nothing is not shown.
  tells(names) { return names.some((name) => this.records.some((record) => record[name] != null)) }

  get toShow() { return [...this.shown.querySelectorAll('[data-series]')].filter((target) => this.tells(target.dataset.series.split(' '))) }

  data(names) { return ['step', ...names].map((name) => [...this.begun, ...this.records].map((record) => record[name])) }

  draw() {
    const zooms = new Map(this.plots.map(({ key, plot }) => [key, zoomOf(plot)]))
    for (const { plot } of this.plots) plot.destroy()
    this.plots = []
    this.shown = this.box
    this.shown.hidden = this.records.length === 0
    if (this.shown.hidden) return
    const toShow = this.toShow
    for (const figure of this.shown.querySelectorAll('figure')) figure.hidden = !toShow.some((target) => figure.contains(target))
    for (const target of toShow) {
      const key = target.dataset.series
      const names = key.split(' ')
      const plot = new uPlot(this.options(target, names), this.data(names), target)
      this.plots.push({ key, names, target, plot })
      if (zooms.get(key)) plot.setScale('x', zooms.get(key))
    }
    this.tellZoom()
  }

  redraw(before) {
    if (this.shown !== this.box || this.plots.length !== this.toShow.length || (before < 40) !== (this.records.length < 40)) this.draw()
    else for (const { names, plot } of this.plots) show(plot, this.data(names))
  }

  waits() {
    const wait = this.next - Date.now()
    if (wait <= 0) {
      this.next = Date.now() + WHOLE_EVERY
      return false
    }
    this.later ??= setTimeout(() => {
      this.later = undefined
      if (this.box) this.update().catch(() => {})
    }, wait)
    if (this.shown !== this.box) this.draw()
    return true
  }

  async update() {
    const url = new URL(this.box.dataset.metrics, location.href)
    const whole = 'whole' in this.box.dataset
    if (whole && this.waits()) return
    const last = this.records.at(-1)
    if (!whole) url.searchParams.set('after', last ? `${last.attempt}.${last.number}` : '')
    const response = await fetch(url, { redirect: 'error' })
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    const answer = await response.json()
    const before = this.records.length
    // The first load and a wake may have crossed.
    const fresh = whole ? answer.records : answer.records.filter((record) => isLater(record, this.records.at(-1)))
    this.records = whole ? fresh : joined(this.records, fresh)
    const measured = answer.evaluations ?? {} // losses of held-out rows by step, each later than the record of its step
    const isNew = Object.keys(measured).length !== this.measured
    this.measured = Object.keys(measured).length
    for (const record of this.records) record.evaluation = measured[record.step]
    const first = this.records[0]?.step ?? 0
    this.begun = Object.entries(measured).filter(([step]) => step < first).map(([step, evaluation]) => ({ step: Number(step), evaluation }))
    for (const [name, words] of Object.entries(answer.figures ?? {})) {
      for (const place of this.box.closest('section').querySelectorAll(`[data-figure="${name}"]`)) place.textContent = words || '–'
    }
    if (fresh.length || isNew || this.shown !== this.box) this.redraw(before)
  }
}

// Those of the page as it is now: a part of it may have come, or gone, since.
function curves() {
  for (const { id } of document.querySelectorAll('[data-metrics]')) if (!boxes.has(id)) boxes.set(id, new Curves(id))
  return [...boxes.values()].filter((one) => one.box)
}

document.addEventListener('click', (event) => {
  if (event.target.closest?.('[data-zoom-reset]')) for (const one of curves()) one.showAll()
})
document.addEventListener('slipway:refresh', (event) => { for (const one of curves()) event.detail.refetch(one.id, async () => one.box && one.update()) })
document.addEventListener('slipway:theme', () => { for (const one of curves()) one.draw() })
document.addEventListener('htmx:load', () => { for (const one of curves()) if (one.shown !== one.box) one.update().catch(() => {}) })
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { for (const one of curves()) one.draw() })
addEventListener('resize', () => { for (const one of curves()) one.fit() })
for (const one of curves()) one.update().catch(() => {})
