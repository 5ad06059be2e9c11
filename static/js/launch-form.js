// The launch form: one key for one visit, one press of the button, and marks on the fields whose errors just changed.
const form = document.getElementById('launch-form')
const key = form.elements.idempotency_key

// Reload and Back come to the same entry of the history, and so to the same key and to what was typed: sent twice, it
// is still one launch. A link to the same address may find the entry's state, too, but is a new form. What the server
// says of the version stays the server's: it may have moved on meanwhile.
const KEPT_OUT = ['account', 'csrfmiddlewaretoken', 'idempotency_key', 'latest', 'shown_recipe', 'version']
const LONGEST = 300 // as in launches/pages/carried.py
const returned = ['reload', 'back_forward'].includes(performance.getEntriesByType('navigation')[0]?.type)

// Links to a form, and the menus that come back to this one, take along what differs from the form's own defaults.
const carry = () => {
  const changed = [...form.querySelectorAll('[data-default]')].filter((field) => field.value !== field.dataset.default)
  for (const element of document.querySelectorAll('[data-carries]')) {
    const url = new URL(element.dataset.carries, location.href)
    for (const { name, value } of changed) {
      if (value.length <= LONGEST) url.searchParams.append(name, value)
      else url.searchParams.append('left', name)
    }
    if (element.localName === 'a') element.href = url.href
    else element.value = url.pathname + url.search
  }
}
const waiting = {} // what was typed into fields that come with their recipe
const keep = () => {
  const typed = { ...waiting, ...Object.fromEntries([...new FormData(form)].filter(([name]) => !KEPT_OUT.includes(name))) }
  history.replaceState({ ...history.state, launchKey: key.value, launchTyped: typed }, '')
  carry()
}
if (returned && history.state?.launchKey) {
  key.value = history.state.launchKey
  for (const [name, value] of Object.entries(history.state.launchTyped ?? {})) {
    if (form.elements[name]) form.elements[name].value = value
    else waiting[name] = value
  }
  carry()
  addEventListener('load', () => form.dispatchEvent(new Event('input', { bubbles: true })))
} else keep()
form.addEventListener('input', keep)
addEventListener('hashchange', keep) // a link to a field is another entry of the history, and the same form

form.addEventListener('submit', () => setTimeout(() => {
  for (const button of form.querySelectorAll('[type="submit"]:enabled')) { button.disabled = true; button.dataset.sent = '' }
}))
addEventListener('pageshow', () => {
  for (const button of form.querySelectorAll('[data-sent]')) { button.disabled = false; delete button.dataset.sent }
})

document.addEventListener('htmx:afterSettle', () => {
  const come = Object.keys(waiting).filter((name) => form.elements[name])
  for (const name of come) {
    form.elements[name].value = waiting[name]
    delete waiting[name]
  }
  if (come.length) form.dispatchEvent(new Event('input', { bubbles: true }))
  for (const errors of form.querySelectorAll('[data-errors-of]')) {
    const field = document.getElementById(errors.dataset.errorsOf)
    if (errors.childElementCount) field.setAttribute('aria-invalid', 'true')
    else field.removeAttribute('aria-invalid')
  }
})

document.getElementById('form-errors')?.focus()
