// Opens the gateway's own window with what the server has prepared; at once on arrival, or on a press after a failed try.
const params = JSON.parse(document.getElementById("payment-params").textContent);
const button = document.querySelector("[data-pay]");
const problem = document.querySelector("[data-payment-problem]");

async function open() {
  button.disabled = true;
  problem.hidden = true;
  try {
    const payment = window.TossPayments(params.clientKey).payment({ customerKey: params.customerKey });
    await payment.requestPayment(params.request);
  } catch (error) {
    if (error?.code !== "USER_CANCEL") problem.hidden = false;
  }
  button.disabled = false;
}

button.addEventListener("click", open);

// By itself once for each payment, and after each choice of a method: whoever comes back with the browser's button wants to stay.
const opened = `opened ${params.orderId}`;
if (button.hasAttribute("data-start") && !sessionStorage.getItem(opened)) {
  sessionStorage.setItem(opened, "1");
  open();
}
for (const form of document.querySelectorAll("form")) form.addEventListener("submit", () => sessionStorage.removeItem(opened));
