// A file is sent in pieces behind the form, so that it may be large, and goes on where it broke off.
const PIECE = 8 * 1024 * 1024
const TRIES = 8
const form = document.querySelector('[data-upload-form]')
const part = (name) => form.querySelector(`[data-upload-${name}]`)
let sending = false

const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000))
const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`)

function show(received, total, note = '') {
  part('progress').hidden = false
  const bar = part('progress').querySelector('progress')
  bar.value = bar.max * received / total
  bar.textContent = `${Math.floor(100 * received / total)} %`
  part('said').textContent = note || `${size(received)} of ${size(total)} sent.`
}

function refuse(reason) {
  part('reason').textContent = reason
  part('refused').hidden = false
}

// Sends one piece; answers from which byte on it goes on. What is refused for good is thrown in words.
async function sendPiece(address, file, from, token) {
  const to = Math.min(from + PIECE, file.size)
  const headers = { 'X-CSRFToken': token, 'Content-Range': `bytes ${from}-${to - 1}/${file.size}`, 'Content-Type': 'application/octet-stream' }
  for (let tried = 1; ; tried++) {
    let answer
    try {
      answer = await fetch(address, { method: 'PUT', headers, body: file.slice(from, to) })
    } catch (error) {
      if (tried === TRIES) throw new Error('Slipway could not be reached. Press the button to go on where it broke off.')
    }
    if (answer?.ok) return answer.json()
    if (answer && answer.status < 500) {
      const said = answer.headers.get('Content-Type')?.startsWith('application/json') ? await answer.json() : {}
      if (answer.status === 409 && said.state === 'UPLOADING') return said
      throw new Error(said.message || `The server answered ${answer.status}. Reload the page and try again.`)
    }
    if (tried === TRIES) throw new Error(`The server answered ${answer.status}. Press the button to go on where it broke off.`)
    show(from, file.size, 'The connection broke off. It is tried again.')
    await wait(Math.min(30, 2 ** tried / 2))
  }
}

async function sendAll(address, page, file, received) {
  const token = form.querySelector('[name=csrfmiddlewaretoken]').value
  let at = received
  while (at < file.size) {
    show(at, file.size)
    form.dataset.received = at
    at = (await sendPiece(address, file, at, token)).received
  }
  show(file.size, file.size)
  form.dataset.sent = 'yes'
  location.assign(page)
}

// Makes the dataset by the form without its file; what is refused comes as the same page with its words.
async function make(file) {
  const fields = new FormData(form)
  fields.delete('file')
  fields.set('size_bytes', file.size)
  if (!fields.get('dataset_id')) fields.set('dataset_id', nearId(file.name))
  const answer = await fetch(form.action, { method: 'POST', body: fields })
  if (answer.redirected && answer.ok) return answer.url
  const said = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('[data-upload-form]')
  if (!said) throw new Error(`The server answered ${answer.status}. Reload the page and try again.`)
  const chosen = form.querySelector('[data-file]').files
  form.replaceChildren(...said.childNodes)
  form.querySelector('[data-file]').files = chosen
  form.querySelector('[aria-invalid=true]')?.focus()
  return ''
}

function nearId(name) {
  return name.replace(/\.[^.]*$/, '').toLowerCase().replace(/(\d)\.(?=\d)/g, '$1p').replace(/[^a-z0-9]+/g, '-').slice(0, 63).replace(/^-+|-+$/g, '')
}

form.addEventListener('submit', async (event) => {
  const file = form.querySelector('[data-file]').files[0]
  if (!file && !form.dataset.pieces) return // the server says what is missing
  event.preventDefault()
  if (sending) return
  part('refused').hidden = true
  const wanted = Number(form.dataset.size || file?.size)
  if (!file || file.size !== wanted) {
    refuse(file ? `This file has ${file.size} bytes; the one that was begun has ${wanted}. Choose the same file.` : 'Choose the file that was begun.')
    return
  }
  sending = true
  form.querySelector('[type=submit]').disabled = true
  try {
    if (!form.dataset.pieces) {
      const page = await make(file)
      if (!page) return
      form.dataset.page = page
      form.dataset.pieces = `${page.replace(/[?#].*$/, '')}/pieces`
    }
    const known = Number(form.dataset.received || 0)
    await sendAll(form.dataset.pieces, form.dataset.page || location.href, file, known)
  } catch (error) {
    refuse(error.message)
  } finally {
    sending = false
    form.querySelector('[type=submit]').disabled = false
  }
})

addEventListener('beforeunload', (event) => { if (sending && form.dataset.pieces && !form.dataset.sent) event.preventDefault() })
