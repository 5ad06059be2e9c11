// Menus are <details class="menu-box">: Escape and a click outside close them; one is open at a time.
const open = () => document.querySelectorAll('details.menu-box[open]')

document.addEventListener('click', (event) => {
  for (const menu of open()) if (!menu.contains(event.target)) menu.open = false
})
document.addEventListener('focusin', (event) => {
  for (const menu of open()) if (!menu.contains(event.target)) menu.open = false
})
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return
  for (const menu of open()) {
    menu.open = false
    menu.querySelector('summary').focus()
  }
})
