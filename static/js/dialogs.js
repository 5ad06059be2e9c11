// One listener for all dialogs. <button data-dialog="id"> opens <dialog id="id">; [data-close] inside it closes it.
// A form with data-confirm="id" asks first: it is sent by the dialog's [data-confirmed] button. Without scripts
// the form is sent at once, so the server must be safe to ask, too.
let waiting = null

document.addEventListener('click', (event) => {
  const opener = event.target.closest?.('[data-dialog]')
  if (opener) document.getElementById(opener.dataset.dialog)?.showModal()
  const dialog = event.target.closest?.('dialog')
  if (!dialog) return
  if (event.target === dialog || event.target.closest('[data-close]')) dialog.close()
  if (event.target.closest('[data-confirmed]') && waiting) {
    const { form, submitter } = waiting
    waiting = null
    dialog.close()
    form.dataset.confirmed = ''
    form.requestSubmit(submitter)
  }
})
document.addEventListener('submit', (event) => {
  const form = event.target
  if (!form.dataset.confirm || 'confirmed' in form.dataset) return
  const dialog = document.getElementById(form.dataset.confirm)
  if (!dialog) return
  event.preventDefault()
  event.stopImmediatePropagation()
  waiting = { form, submitter: event.submitter }
  dialog.showModal()
}, true)
