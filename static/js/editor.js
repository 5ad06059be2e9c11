// The editor of drafts: marks on the inputs whose errors just changed, and a question before typed work is left.
const form = document.getElementById('editor')
let typed = 'unsaved' in form.dataset

form.addEventListener('input', () => { typed = true })
form.addEventListener('submit', () => { typed = false })
addEventListener('beforeunload', (event) => { if (typed) event.preventDefault() })

document.addEventListener('htmx:afterSettle', () => {
  for (const errors of form.querySelectorAll('[data-errors-of]')) {
    const input = document.getElementById(errors.dataset.errorsOf)
    if (!input) continue
    if (errors.childElementCount) {
      input.setAttribute('aria-invalid', 'true')
      const details = input.closest('details')
      if (details) details.open = true
    } else input.removeAttribute('aria-invalid')
  }
})

document.getElementById('form-errors')?.focus()
