// Draws the curves of a launch with uPlot and appends to them: only records that are new are fetched.
const uPlot = window.uPlot
let plots = []
let records = [] // of all attempts: one series
let shown // the #charts element that the plots were drawn into

const box = () => document.getElementById('charts')

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
  const [x, y] = plot.data.map((values) => values[plot.cursor.idx])
  target.closest('figure').querySelector('output').textContent = x == null ? '' : `step ${x}: ${figure(y)}`
}

// A dashed line where a later attempt began.
function mark(plot, colour) {
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

function tellZoom() {
  if (!shown?.isConnected || plots.length === 0) return
  const hint = shown.querySelector('[data-zoom-hint]')
  const zoomed = plots.some(({ plot }) => zoomOf(plot))
  hint.dataset.plain ??= hint.textContent
  hint.textContent = zoomed ? hint.dataset.zoomHint : hint.dataset.plain
  shown.querySelector('[data-zoom-reset]').hidden = !zoomed
}

function show(plot, values) {
  const zoom = zoomOf(plot)
  plot.setData(values, !zoom)
  if (zoom) plot.setScale('x', zoom)
}

function options(target, name, height) {
  const [ink, muted, line] = ['var(--color-primary)', 'var(--muted)', 'var(--line)'].map((value) => colour(target, value))
  return {
    width: target.clientWidth, height,
    padding: [8, 12, 0, 0],
    cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 }, sync: { key: 'launch' } },
    legend: { show: false },
    hooks: {
      setCursor: [(plot) => tell(target, plot)],
      setScale: [(_, key) => { if (key === 'x') tellZoom() }],
      draw: [(plot) => mark(plot, muted)],
    },
    scales: { x: { time: false } },
    axes: [
      axis(muted, line, { size: 28, incrs: [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6] }),
      axis(muted, line, { size: 62, values: (_, ticks) => ticks.map(figure) }),
    ],
    series: [
      {},
      {
        stroke: ink, width: 1.75, spanGaps: true,
        points: { show: records.length < 40, size: 5, fill: ink },
      },
    ],
  }
}

const data = (name) => [records.map((record) => record.step), records.map((record) => record[name])]

function draw() {
  const zooms = new Map(plots.map(({ name, plot }) => [name, zoomOf(plot)]))
  for (const { plot } of plots) plot.destroy()
  plots = []
  shown = box()
  shown.hidden = records.length === 0
  if (shown.hidden) return
  for (const target of shown.querySelectorAll('[data-series]')) {
    const name = target.dataset.series
    const plot = new uPlot(options(target, name, name === 'loss' ? 240 : 110), data(name), target)
    plots.push({ name, target, plot })
    if (zooms.get(name)) plot.setScale('x', zooms.get(name))
  }
  tellZoom()
}

function redraw(before) {
  if (shown !== box() || plots.length === 0 || (before < 40) !== (records.length < 40)) draw()
  else for (const { name, plot } of plots) show(plot, data(name))
}

// The series with what is new: a later attempt began at a checkpoint, so its steps count and what was beyond goes.
function joined(fresh) {
  let series = [...records]
  for (const record of fresh) {
    if (series.length && record.attempt !== series.at(-1).attempt) series = series.filter(({ step }) => step < record.step)
    series.push(record)
  }
  return series
}

const isLater = (record, last) => !last || record.attempt > last.attempt || (record.attempt === last.attempt && record.number > last.number)

async function update() {
  const url = new URL(box().dataset.metrics, location.href)
  const last = records.at(-1)
  url.searchParams.set('after', last ? `${last.attempt}.${last.number}` : '')
  const response = await fetch(url, { redirect: 'error' })
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  const answer = await response.json()
  const before = records.length
  const fresh = answer.records.filter((record) => isLater(record, records.at(-1))) // the first load and a wake may have crossed
  records = joined(fresh)
  if (fresh.length || shown !== box()) redraw(before)
}

document.addEventListener('click', (event) => {
  if (!event.target.closest?.('[data-zoom-reset]')) return
  for (const { plot } of plots) plot.setScale('x', { min: plot.data[0][0], max: plot.data[0].at(-1) })
})
document.addEventListener('slipway:refresh', (event) => event.detail.until(update()))
document.addEventListener('slipway:theme', draw)
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
addEventListener('resize', () => { for (const { plot, target } of plots) plot.setSize({ width: target.clientWidth, height: plot.height }) })
update().catch(() => {})
