// Keyboard: "/" goes to the search, Escape leaves it; "g c" and "g l" go to the catalog and the launches.
const typing = (element) => element?.matches('input, textarea, select, [contenteditable="true"]')
let pressedG = 0

document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
  const search = document.querySelector('[data-search]')
  if (event.key === 'Escape' && document.activeElement === search) {
    search.blur()
    return
  }
  if (typing(document.activeElement) || document.querySelector('dialog[open]')) return
  if (event.key === '/' && search) {
    event.preventDefault()
    search.focus()
    search.select()
  } else if (event.key === 'g') {
    pressedG = event.timeStamp
  } else if (event.timeStamp - pressedG < 1000) {
    const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`)
    if (link) link.click()
    pressedG = 0
  }
})

// A link that changes the free text among the filters must change the search box, too, which it does not swap.
document.addEventListener('click', (event) => {
  const search = document.querySelector('[data-search]')
  const link = event.target.closest?.('[data-search-becomes]')
  if (search && link) search.value = link.dataset.searchBecomes
})
