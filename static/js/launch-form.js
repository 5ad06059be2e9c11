// The launch form: one key for one visit, one press of the button, and marks on the fields whose errors just changed.
const form = document.getElementById('launch-form')
const key = form.elements.idempotency_key

// Reload and Back come to the same entry of the history, and so to the same key: sent twice, it is still one launch.
if (history.state?.launchKey) key.value = history.state.launchKey
else history.replaceState({ ...history.state, launchKey: key.value }, '')

const button = () => form.querySelector('[type="submit"]')
form.addEventListener('submit', () => setTimeout(() => { button().disabled = true; button().dataset.sent = '' }))
addEventListener('pageshow', () => {
  if ('sent' in button().dataset) { button().disabled = false; delete button().dataset.sent }
})

document.addEventListener('htmx:afterSettle', () => {
  for (const errors of form.querySelectorAll('[data-errors-of]')) {
    const field = document.getElementById(errors.dataset.errorsOf)
    if (errors.childElementCount) field.setAttribute('aria-invalid', 'true')
    else field.removeAttribute('aria-invalid')
  }
})

document.getElementById('form-errors')?.focus()
