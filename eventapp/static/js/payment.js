// Takes the buyer to the gateway with what the server has prepared: at once on arrival, or on a press after a failed try.
// What needs no script (a form that begins, a link to the gateway's own page) is only pressed for the buyer here.
const element = document.getElementById("payment-params");
const params = element ? JSON.parse(element.textContent) : null;
const button = document.querySelector("[data-pay]");
const problem = document.querySelector("[data-payment-problem]");

const WINDOWS = {
  toss: () => window.TossPayments(params.clientKey).payment({ customerKey: params.customerKey }).requestPayment(params.request),
  portone: () => window.PortOne.requestPayment(params.request),
};
const CLOSED = ["USER_CANCEL", "PAY_PROCESS_CANCELED"];

async function open() {
  button.disabled = true;
  problem.hidden = true;
  try {
    const answer = await WINDOWS[params.provider]();
    if (answer?.code && !CLOSED.includes(answer.code)) throw answer;
  } catch (error) {
    if (!CLOSED.includes(error?.code)) problem.hidden = false;
  }
  button.disabled = false;
}

const opensWindow = button?.type === "button";
if (opensWindow) button.addEventListener("click", open);

// By itself once for each payment, and after each choice of a method: whoever comes back with the browser's button wants to stay.
const opened = `opened ${button?.dataset.pay}`;
if (button?.hasAttribute("data-start") && !sessionStorage.getItem(opened)) {
  sessionStorage.setItem(opened, "1");
  if (opensWindow) open();
  else button.click();
}
for (const form of document.querySelectorAll("form:not([data-begin])")) form.addEventListener("submit", () => sessionStorage.removeItem(opened));
