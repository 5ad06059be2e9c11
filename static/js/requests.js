// What the reader sees of htmx: a bar while a request runs, and words when one fails.
const bar = document.getElementById('busy')
const spoken = document.getElementById('spoken')
const toasts = document.getElementById('toasts')
let running = 0
let timer

function busy(change) {
  running = Math.max(0, running + change)
  clearTimeout(timer)
  if (running) timer = setTimeout(() => { bar.hidden = false }, 200)
  else bar.hidden = true
}

function say(text) {
  const notice = document.getElementById('toast').content.firstElementChild.cloneNode(true)
  notice.querySelector('[data-text]').textContent = text
  toasts.append(notice)
  setTimeout(() => notice.remove(), 8000)
}

document.addEventListener('htmx:beforeRequest', () => busy(1))
document.addEventListener('htmx:afterRequest', () => busy(-1))
document.addEventListener('htmx:sendError', () => say('Slipway could not be reached. What you see may be out of date.'))
document.addEventListener('htmx:responseError', (event) => {
  const status = event.detail.xhr.status
  say(status === 403 ? 'You may not do that, or you were signed out. Reload the page.' : `The server answered ${status}. Reload the page and try again.`)
})
document.addEventListener('htmx:afterSettle', () => {
  const text = document.querySelector('[data-announce]')?.dataset.announce
  if (text && spoken && spoken.textContent !== text) spoken.textContent = text
})
document.addEventListener('click', (event) => event.target.closest?.('[data-dismiss]')?.closest('.notice')?.remove())
