// Light or dark: as the system has it, until somebody picks. Runs before anything is drawn.
(() => {
  const root = document.documentElement;
  const kept = () => {
    try {
      return localStorage.getItem('theme');
    } catch {
      return null; // A browser that keeps nothing: the system decides.
    }
  };
  const choose = (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  const system = matchMedia('(prefers-color-scheme: dark)');
  const current = () => root.dataset.theme ?? (system.matches ? 'dark' : 'light');
  choose(kept());

  addEventListener('DOMContentLoaded', () => {
    const button = document.getElementById('theme');
    const words = document.getElementById('theme-words');
    const tell = () => {
      words.textContent = current() === 'dark' ? 'Use light colours' : 'Use dark colours';
      button.title = words.textContent;
    };
    button.addEventListener('click', () => {
      const next = current() === 'dark' ? 'light' : 'dark';
      choose(next);
      try {
        localStorage.setItem('theme', next);
      } catch {
        // It holds for this page at least.
      }
      tell();
    });
    system.addEventListener('change', tell);
    addEventListener('storage', (event) => {
      if (event.key === 'theme') choose(event.newValue);
      tell();
    });
    tell();
  });
})();
