// The theme changes at once; the cookie is the server's, set by the same form that works without scripts.
document.addEventListener('submit', (event) => {
  const form = event.target
  if (!form.matches('form[data-theme-form]') || !event.submitter) return
  event.preventDefault()
  const theme = event.submitter.value
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  for (const button of form.querySelectorAll('button')) button.setAttribute('aria-pressed', String(button.value === theme))
  const body = new FormData(form)
  body.set('theme', theme)
  fetch(form.action, { method: 'POST', body, redirect: 'manual' })
  document.dispatchEvent(new CustomEvent('slipway:theme'))
})
