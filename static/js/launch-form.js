// The launch form: one key for one visit, one press of the button, and marks on the fields whose errors just changed.
const form = document.getElementById('launch-form')
const key = form.elements.idempotency_key

// Reload and Back come to the same entry of the history, and so to the same key and to what was typed: sent twice, it
// is still one launch. What the server says of the version stays the server's: it may have moved on meanwhile.
const KEPT_OUT = ['account', 'csrfmiddlewaretoken', 'idempotency_key', 'latest', 'version']
const keep = () => {
  const typed = Object.fromEntries([...new FormData(form)].filter(([name]) => !KEPT_OUT.includes(name)))
  history.replaceState({ ...history.state, launchKey: key.value, launchTyped: typed }, '')
}
if (history.state?.launchKey) {
  key.value = history.state.launchKey
  for (const [name, value] of Object.entries(history.state.launchTyped ?? {})) {
    if (form.elements[name]) form.elements[name].value = value
  }
  addEventListener('load', () => form.dispatchEvent(new Event('input', { bubbles: true })))
} else keep()
form.addEventListener('input', keep)

form.addEventListener('submit', () => setTimeout(() => {
  for (const button of form.querySelectorAll('[type="submit"]:enabled')) { button.disabled = true; button.dataset.sent = '' }
}))
addEventListener('pageshow', () => {
  for (const button of form.querySelectorAll('[data-sent]')) { button.disabled = false; delete button.dataset.sent }
})

document.addEventListener('htmx:afterSettle', () => {
  for (const errors of form.querySelectorAll('[data-errors-of]')) {
    const field = document.getElementById(errors.dataset.errorsOf)
    if (errors.childElementCount) field.setAttribute('aria-invalid', 'true')
    else field.removeAttribute('aria-invalid')
  }
})

document.getElementById('form-errors')?.focus()
