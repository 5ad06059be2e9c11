// An answer to filters that were changed meanwhile is stale: swapping it in would undo the newer choice, whose own
// request is queued behind it.
const form = document.getElementById('filters')
const asked = () => new URLSearchParams(new FormData(form)).toString()
let sent = ''

form.addEventListener('htmx:beforeSend', () => { sent = asked() })
document.addEventListener('htmx:beforeSwap', (event) => {
  if (event.detail.requestConfig.elt === form && sent !== asked()) event.detail.shouldSwap = false
})
