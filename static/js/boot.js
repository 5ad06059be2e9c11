// Runs before the first paint: marks that scripts work, so that controls which need them may show.
document.documentElement.classList.add('js')

// A way back or forward is a reload at its address, as htmx does it: also while htmx itself is still on its way.
{
  const reload = (event) => { if (event.state?.htmx) location.reload() }
  addEventListener('popstate', reload)
  addEventListener('htmx:load', () => removeEventListener('popstate', reload), { once: true })
}
