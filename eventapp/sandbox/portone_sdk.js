// Stand-in for https://cdn.portone.io/v2/browser-sdk.js: checks what the real one checks, then takes the whole window to the
// sandbox, as the real one does on a phone and with forceRedirect. Parameters are those of @portone/browser-sdk/v2.
(() => {
  const base = new URL("/portone/window", document.currentScript.src);
  const refuse = (message) => Object.assign(new Error(message), { __portOneErrorType: "RequestPaymentError", code: "INVALID_REQUEST" });
  const text = (value, least, most) => typeof value === "string" && value.length >= least && value.length <= most;

  const url = (value) => {
    try { return ["http:", "https:"].includes(new URL(value).protocol); } catch { return false; }
  };

  const methods = ["CARD", "TRANSFER", "VIRTUAL_ACCOUNT", "MOBILE", "EASY_PAY", "GIFT_CERTIFICATE", "PAYPAL", "ALIPAY",
    "CONVENIENCE_STORE", "ALIPAY_PLUS"];

  function check(request) {
    if (!request || typeof request !== "object") throw refuse("request");
    if (!text(request.storeId, 6, 100) || !request.storeId.startsWith("store-")) throw refuse("storeId");
    if (!text(request.channelKey, 6, 100) || !request.channelKey.startsWith("channel-key-")) throw refuse("channelKey");
    if (!text(request.paymentId, 6, 64) || !/^[A-Za-z0-9_-]+$/.test(request.paymentId)) throw refuse("paymentId");
    if (!text(request.orderName, 1, 100)) throw refuse("orderName");
    if (!Number.isInteger(request.totalAmount) || request.totalAmount <= 0) throw refuse("totalAmount");
    if (!["KRW", "CURRENCY_KRW"].includes(request.currency)) throw refuse("currency");
    if (!methods.includes(request.payMethod)) throw refuse("payMethod");
    if (!url(request.redirectUrl)) throw refuse("redirectUrl");
    if (request.noticeUrls != null && !(Array.isArray(request.noticeUrls) && request.noticeUrls.every(url))) throw refuse("noticeUrls");
  }

  window.PortOne = {
    async requestPayment(request) {
      check(request);
      if (!request.forceRedirect) throw refuse("the sandbox has redirects only: forceRedirect");
      const address = new URL(base);
      address.search = new URLSearchParams({ request: JSON.stringify(request) });
      window.top.location.assign(address);
      return new Promise((resolve) => { // the page is left; who comes back to it has given up the window
        addEventListener("pageshow", (event) => event.persisted && resolve({
          code: "FAILURE_TYPE_PG", pgCode: "PAY_PROCESS_CANCELED", paymentId: request.paymentId, transactionType: "PAYMENT",
        }), { once: true });
      });
    },
  };
})();
