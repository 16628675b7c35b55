document.getElementById("understood").addEventListener("click", async () => {
  try {
    const answer = await fetch("/api/instructed", { method: "POST", body: "" });
    if (!answer.ok) throw new Error((await answer.json()).error);
    location.assign("/");
  } catch (error) {
    const trouble = document.getElementById("trouble");
    trouble.hidden = false;
    trouble.textContent = `Not saved: ${error.message}`;
  }
});
