// Exchanges the secret behind the # for a login. Only a click does it: whoever scans links in mail
// changes nothing.
const token = location.hash.slice(1);
const told = document.getElementById("told");
const start = document.getElementById("start");

if (token) {
  history.replaceState(null, "", "/start"); // the secret leaves the address bar and the history
  told.textContent = "This link is yours alone. Do not pass it on.";
  start.hidden = false;
  start.focus();
}

start.addEventListener("click", async () => {
  start.disabled = true;
  try {
    const answer = await fetch("/api/login", { method: "POST", body: JSON.stringify({ token }) });
    if (answer.ok) {
      location.replace("/");
      return;
    }
    told.textContent = (await answer.json()).error;
  } catch {
    told.textContent = "The server does not answer. Try again in a moment.";
  }
  start.disabled = false;
});
