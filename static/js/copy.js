// Copy buttons: <button class="copy" data-copy="text"> or, with data-copy-from="element id", that element's text.
const status = document.getElementById('spoken')

async function write(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text)
  const area = document.createElement('textarea') // plain http on another host than localhost has no clipboard API
  area.value = text
  area.className = 'sr-only'
  document.body.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  if (!done) throw new Error('the browser refused')
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest?.('.copy')
  if (!button) return
  const source = button.dataset.copyFrom && document.getElementById(button.dataset.copyFrom)
  try {
    await write(source ? source.innerText : button.dataset.copy)
    button.dataset.copied = ''
    if (status) status.textContent = 'Copied'
    setTimeout(() => { delete button.dataset.copied; if (status) status.textContent = '' }, 1600)
  } catch {
    if (status) status.textContent = 'Copying was refused by the browser; select the text and copy it'
  }
})
