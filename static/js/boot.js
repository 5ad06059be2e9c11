// Runs before the first paint: marks that scripts work, so that controls which need them may show.
document.documentElement.classList.add('js')
