// An answer to filters that were changed meanwhile is stale: swapping it in would undo the newer choice, whose own
// request is queued behind it.
const form = document.getElementById('filters')
const search = document.querySelector('[data-search]')
const asked = () => new URLSearchParams(new FormData(form)).toString()
let sent = ''

form.addEventListener('htmx:beforeSend', () => { sent = asked() })
document.addEventListener('htmx:beforeSwap', (event) => {
  if (event.detail.requestConfig.elt === form && sent !== asked()) event.detail.shouldSwap = false
})

// Words of the text that became filters are taken out of the search box once it is left: there they would come back with
// the next request, though somebody had removed the filter.
let read = search.value
const tidy = () => {
  const results = document.querySelector('[data-search-read]')
  if (document.activeElement !== search && search.value === read) search.value = results.dataset.searchRead
}
search.addEventListener('blur', tidy)
document.addEventListener('htmx:afterSwap', () => { read = new URLSearchParams(sent).get('q') ?? read; tidy() })
