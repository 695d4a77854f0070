// Owns light or dark: as the system has it, or as was chosen, which the browser remembers.

const CHOICES = ["system", "light", "dark"];

export function themed(button) {
  let chosen = localStorage.getItem("theme") ?? "system";
  const take = () => {
    document.documentElement.dataset.theme = chosen;
    button.textContent = `Theme: ${chosen}`;
    localStorage.setItem("theme", chosen);
  };
  button.addEventListener("click", () => {
    chosen = CHOICES[(CHOICES.indexOf(chosen) + 1) % CHOICES.length];
    take();
  });
  take();
}
