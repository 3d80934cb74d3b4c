// Stand-in for https://js.tosspayments.com/v2/standard: checks what the real one checks, then takes the whole
// window to the sandbox. Parameters and error codes are those of @tosspayments/tosspayments-sdk 2.8.
(() => {
  const base = new URL("/toss/window", document.currentScript.src);
  const refuse = (code, message) => Object.assign(new Error(message || code), { code });
  const text = (value, least, most) => typeof value === "string" && value.length >= least && value.length <= most;

  const url = (value) => {
    try { return ["http:", "https:"].includes(new URL(value).protocol); } catch { return false; }
  };

  const methods = ["CARD", "TRANSFER", "VIRTUAL_ACCOUNT", "MOBILE_PHONE", "CULTURE_GIFT_CERTIFICATE",
    "FOREIGN_EASY_PAY"];

  function check(request) {
    if (!request || typeof request !== "object") throw refuse("INVALID_PARAMETERS");
    if (!methods.includes(request.method)) throw refuse("INVALID_PARAMETERS", "method");
    const { currency, value } = request.amount || {};
    if (currency !== "KRW") throw refuse("INVALID_AMOUNT_CURRENCY");
    if (!Number.isInteger(value)) throw refuse("INVALID_AMOUNT_VALUE");
    if (value <= 0) throw refuse("BELOW_ZERO_AMOUNT");
    if (!text(request.orderId, 6, 64) || !/^[A-Za-z0-9_=-]+$/.test(request.orderId)) throw refuse("INVALID_ORDER_ID");
    if (!text(request.orderName, 1, 100)) throw refuse("INVALID_ORDER_NAME");
    if (!url(request.successUrl)) throw refuse("INCORRECT_SUCCESS_URL_FORMAT");
    if (!url(request.failUrl)) throw refuse("INCORRECT_FAIL_URL_FORMAT");
    for (const name of ["customerEmail", "customerName"]) {
      if (request[name] != null && !text(request[name], 0, 100)) throw refuse("INVALID_PARAMETERS", name);
    }
    if (request.customerMobilePhone != null && !/^[0-9]{8,15}$/.test(request.customerMobilePhone)) {
      throw refuse("INVALID_PARAMETERS", "customerMobilePhone");
    }
    const metadata = Object.entries(request.metadata || {});
    if (metadata.length > 5 || metadata.some(([key, value]) => !text(key, 1, 40) || !text(value, 0, 2000))) {
      throw refuse("INVALID_METADATA");
    }
  }

  function TossPayments(clientKey) {
    if (typeof clientKey === "string" && /^(test|live)_g?sk_/.test(clientKey)) throw refuse("INSECURE_KEY_USAGE");
    if (typeof clientKey !== "string" || !/^(test|live)_g?ck_/.test(clientKey)) throw refuse("INVALID_CLIENT_KEY");
    if (clientKey.startsWith("live_")) throw refuse("INVALID_CLIENT_KEY", "the sandbox takes test keys only");
    return {
      payment({ customerKey } = {}) {
        if (/_gck_/.test(clientKey)) throw refuse("NOT_SUPPORTED_WIDGET_KEY");
        if (customerKey !== TossPayments.ANONYMOUS
            && !(text(customerKey, 2, 50) && /^[A-Za-z0-9_=.@-]+$/.test(customerKey))) {
          throw refuse("INVALID_CUSTOMER_KEY");
        }
        return {
          async requestPayment(request) {
            check(request);
            const address = new URL(base);
            address.search = new URLSearchParams({ clientKey, customerKey, request: JSON.stringify(request) });
            window.top.location.assign(address);
            return new Promise((_, reject) => { // the page is left; who comes back to it has given up the window
              addEventListener("pageshow", (event) => event.persisted && reject(refuse("USER_CANCEL")), { once: true });
            });
          },
        };
      },
      widgets() {
        throw refuse("NOT_SUPPORTED_API_INDIVIDUAL_KEY", "the sandbox has the payment window only");
      },
    };
  }

  TossPayments.ANONYMOUS = "@@ANONYMOUS";
  window.TossPayments = TossPayments;
})();
