// A Korean number is grouped when one leaves the field; anything else stays as it was typed.
document.addEventListener("focusout", (event) => {
  const field = event.target;
  if (field.type !== "tel") return;
  const digits = field.value.replace(/[\s.-]/g, "").replace(/^\+82/, "0");
  const parts = /^(02|0\d{2})(\d{3,4})(\d{4})$/.exec(digits);
  if (parts) field.value = parts.slice(1).join("-");
});
