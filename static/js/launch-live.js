// Refetches the part of a page that changes and morphs it in: focus, scroll, selection and opened details survive.
const marked = (element) => !getSelection().isCollapsed && element.contains(getSelection().anchorNode)
const callbacks = {
  // data-keep: what only the browser has (a drawn chart), or what the server says has not changed (a long log). A text
  // of which the reader has marked a part is left alone as well, until the mark is gone.
  beforeNodeMorphed: (old, fresh) =>
    !(fresh.nodeType === Node.ELEMENT_NODE && old.id === fresh.id && ('keep' in fresh.dataset || (old.localName === 'pre' && marked(old)))),
  beforeAttributeUpdated: (name, node) => !(name === 'open' && (node.localName === 'details' || node.localName === 'dialog')),
}

const element = () => document.getElementById('panel') ?? document.querySelector('[data-refetch]')
const log = () => document.getElementById('log')
const atEnd = (box) => !box || box.scrollHeight - box.scrollTop - box.clientHeight < 24
const toEnd = (box) => { if (box) box.scrollTop = box.scrollHeight }

async function fetchFresh(current) {
  const url = new URL(current.dataset.url ?? location.href, location.href)
  if (log()) url.searchParams.set('log', log().dataset.mark)
  const response = await fetch(url, { headers: { 'HX-Request': 'true' }, redirect: 'error' })
  if (response.status === 404 || response.status === 403) throw Object.assign(new Error('gone'), { gone: true })
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  const page = new DOMParser().parseFromString(await response.text(), 'text/html')
  return page.getElementById(current.id)
}

async function update() {
  const current = element()
  const where = location.href
  const fresh = await fetchFresh(current)
  if (!fresh || where !== location.href || element() !== current) return // the reader went on to something else
  if (Number(fresh.dataset.sequence) < Number(current.dataset.sequence)) return
  const following = atEnd(log())
  window.Idiomorph.morph(current, fresh, { morphStyle: 'outerHTML', ignoreActiveValue: true, callbacks })
  if (following) toEnd(log())
  window.htmx.process(element())
  document.dispatchEvent(new CustomEvent('htmx:afterSettle'))
}

// A page that cannot ask says so, rather than go on showing what may be over.
const tell = (lost) => { const notice = document.getElementById('lost'); if (notice) notice.hidden = !lost }

async function updateAndTell() {
  try {
    await update()
    tell(false)
  } catch (error) {
    tell(!error.gone)
    throw error
  }
}

document.addEventListener('slipway:refresh', (event) => event.detail.refetch('panel', updateAndTell))
toEnd(log())
