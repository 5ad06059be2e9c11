// <time datetime="..."> in the reader's own zone: data-style is "time", "date", "coming" (never past) or "relative"
// (the default). The title is the exact time in UTC, in which the logs are written. 24 hours, whatever the language.
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
const day = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric' })
const exact = (moment) => `${moment.toISOString().slice(0, 19).replace('T', ' ')} UTC`
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'narrow' })
const steps = [[60, 'second'], [60, 'minute'], [24, 'hour'], [7, 'day']]

function relative(moment, coming = false) {
  let amount = (moment - Date.now()) / 1000
  if (coming && amount < 0) return 'now'
  if (Math.abs(amount) < 5) return 'now'
  for (const [size, unit] of steps) {
    if (Math.abs(amount) < size) return ago.format(Math.round(amount), unit)
    amount /= size
  }
  return day.format(moment)
}

function show(root = document) {
  for (const element of root.querySelectorAll('time[data-style]')) {
    const moment = new Date(element.dateTime)
    if (Number.isNaN(moment.getTime())) continue
    const style = element.dataset.style
    element.textContent = style === 'time' ? clock.format(moment) : style === 'date' ? day.format(moment) : relative(moment, style === 'coming')
    element.title = exact(moment)
  }
}

show()
document.addEventListener('htmx:afterSettle', () => show())
setInterval(() => { if (!document.hidden) show() }, 10_000)
