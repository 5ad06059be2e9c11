// Draws the curves of a launch with uPlot and appends to them: only records that are new are fetched.
const uPlot = window.uPlot
let plots = []
let attempt
let records = []
let shown // the #charts element that the plots were drawn into

const box = () => document.getElementById('charts')
const panel = () => document.getElementById('panel')

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

function options(target, name, height) {
  const [ink, muted, line] = ['var(--color-primary)', 'var(--muted)', 'var(--line)'].map((value) => colour(target, value))
  return {
    width: target.clientWidth, height,
    padding: [8, 12, 0, 0],
    cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 }, sync: { key: 'launch' } },
    legend: { show: false },
    hooks: { setCursor: [(plot) => tell(target, plot)] },
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
  for (const { plot } of plots) plot.destroy()
  plots = []
  shown = box()
  shown.hidden = records.length === 0
  if (shown.hidden) return
  for (const target of shown.querySelectorAll('[data-series]')) {
    const name = target.dataset.series
    plots.push({ name, target, plot: new uPlot(options(target, name, name === 'loss' ? 240 : 110), data(name), target) })
  }
}

function redraw(before) {
  if (shown !== box() || plots.length === 0 || (before < 40) !== (records.length < 40)) draw()
  else for (const { name, plot } of plots) plot.setData(data(name))
}

async function update() {
  const wanted = Number(panel().dataset.attempt)
  if (attempt !== wanted) { attempt = wanted; records = [] }
  const url = new URL(box().dataset.metrics, location.href)
  url.searchParams.set('attempt', attempt)
  url.searchParams.set('after', records.at(-1)?.number ?? 0)
  const response = await fetch(url, { redirect: 'error' })
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  const answer = await response.json()
  if (answer.attempt !== attempt) return
  const before = records.length
  const newest = records.at(-1)?.number ?? 0
  const fresh = answer.records.filter((record) => record.number > newest) // the first load and a wake may have crossed
  records = records.concat(fresh)
  if (fresh.length || shown !== box()) redraw(before)
}

document.addEventListener('slipway:refresh', (event) => event.detail.until(update()))
document.addEventListener('slipway:theme', draw)
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
addEventListener('resize', () => { for (const { plot, target } of plots) plot.setSize({ width: target.clientWidth, height: plot.height }) })
update().catch(() => {})
