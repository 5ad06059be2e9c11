// Tells the page when to refetch, by an event `slipway:refresh` on the document. Whoever hears it names what it refetches
// and gives its work to `event.detail.refetch(name, work)`. What is quick waits for nothing that is slow: each is done again
// after a rest of its own, of GAP at least and of what it took, so that a server with much to do is asked less often; and
// once more if something changed meanwhile.
//
// One event stream serves the browser: the tab that holds a Web Lock opens it and passes what it hears to the others
// over a BroadcastChannel. A hidden tab neither holds nor hears it, and refetches when it is seen again. While there is
// no stream the page polls; where a browser has no Web Locks (plain http on another host) every tab has its own stream.
const source = document.querySelector('[data-stream]')
const url = source.dataset.stream
const launch = source.dataset.launch
const GAP = 50
const POLL = 5_000
const patience = 1000 * source.dataset.every

const paces = new Map() // of each work by its name
let timer
let healthy = false
let gone = false

function refresh() {
  if (!document.hidden && !gone) document.dispatchEvent(new CustomEvent('slipway:refresh', { detail: { refetch } }))
}

async function refetch(name, work) {
  const pace = paces.get(name) ?? { next: 0 }
  paces.set(name, pace)
  pace.again = true
  if (pace.running) return
  pace.running = true
  while (pace.again && !document.hidden && !gone) {
    const wait = pace.next - Date.now()
    if (wait > 0) await new Promise((done) => setTimeout(done, wait))
    const began = Date.now()
    pace.again = false
    try { await work() } catch (error) { gone ||= Boolean(error?.gone) }
    pace.next = Date.now() + Math.min(POLL, Math.max(GAP, Date.now() - began))
  }
  pace.running = false
  schedule()
}

function schedule() {
  clearTimeout(timer)
  timer = setTimeout(refresh, healthy ? patience : POLL)
}

// What the leader hears, and everyone is told: "wake" with its launch; "off", and "on" for a stream that is there, with
// `missed` where something may have changed unheard.
function hear(message) {
  if (message.kind === 'wake') {
    if (!launch || message.launch === launch) refresh()
    return
  }
  if (message.kind === 'ask') return
  const before = healthy
  healthy = message.kind === 'on'
  document.documentElement.dataset.live = healthy ? 'on' : 'off'
  if (healthy && (message.missed || !before)) refresh()
  else if (before && !healthy) schedule()
}

const channel = 'BroadcastChannel' in window ? new BroadcastChannel(`slipway ${url}`) : null
let stream
let backoff

function tell(message) {
  channel?.postMessage(message)
  hear(message)
}

function connect() {
  stream = new EventSource(launch ? `${url}&launch=${launch}` : url) // of which this tab is told before other browsers are
  let opened = false
  stream.addEventListener('hello', () => { opened = true; tell({ kind: 'on', missed: true }) })
  stream.addEventListener('wake', (event) => tell({ kind: 'wake', launch: JSON.parse(event.data).launch }))
  stream.addEventListener('error', () => {
    stream.close()
    tell({ kind: 'off' })
    backoff = setTimeout(connect, opened ? 300 : 2_000 + 3_000 * Math.random())
  })
}

let leave // ends the leadership, or the wait for it

function lead() {
  connect()
  return new Promise((done) => {
    leave = () => {
      clearTimeout(backoff)
      stream.close()
      healthy = false
      done()
    }
  })
}

function join() {
  if (leave) return
  if (!navigator.locks || !channel) { lead(); return }
  const waiting = new AbortController()
  leave = () => waiting.abort()
  navigator.locks.request(`slipway ${url}`, { signal: waiting.signal }, lead).catch(() => {})
  channel.postMessage({ kind: 'ask' })
}

function part() {
  leave?.()
  leave = undefined
}

channel?.addEventListener('message', ({ data }) => {
  if (document.hidden) return
  hear(data)
  if (data.kind === 'ask' && stream && stream.readyState !== EventSource.CLOSED) channel.postMessage({ kind: healthy ? 'on' : 'off' })
})
document.addEventListener('visibilitychange', () => {
  if (document.hidden) { part(); clearTimeout(timer); return }
  join()
  refresh()
})
addEventListener('pagehide', part)
addEventListener('pageshow', (event) => { if (event.persisted && !document.hidden) { join(); refresh() } })

if (!document.hidden) { join(); schedule() }
