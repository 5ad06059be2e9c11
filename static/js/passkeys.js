// What a browser says of a passkey that did not work out: allauth's scripts ask for it, and write to the console alone.
document.addEventListener('allauth.error', (event) => {
  event.preventDefault()
  const notice = document.getElementById('toast').content.firstElementChild.cloneNode(true)
  const gaveUp = event.detail.exception?.name === 'NotAllowedError'
  notice.querySelector('[data-text]').textContent = gaveUp
    ? 'No passkey was used: it was not confirmed, or there is none for this address.'
    : `The passkey could not be used: ${event.detail.exception?.message ?? 'the browser does not say why'}`
  document.getElementById('toasts').append(notice)
})

const login = document.querySelector('[data-passkey-login]')
if (login) window.allauth.webauthn.forms.loginForm({ ids: { login: login.id, credential: login.dataset.passkeyLogin } })
