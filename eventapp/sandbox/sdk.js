// Stand-in for https://js.tosspayments.com/v2/standard: checks what the real one checks, then takes the whole
// window to the sandbox. Parameters and error codes are those of @tosspayments/tosspayments-sdk 2.8.
(() => {
  const here = document.currentScript.src;
  const refuse = (code, message) => Object.assign(new Error(message || code), { code });
  const text = (value, least, most) => typeof value === "string" && value.length >= least && value.length <= most;

  const url = (value) => {
    try { return ["http:", "https:"].includes(new URL(value).protocol); } catch { return false; }
  };

  const methods = ["CARD", "TRANSFER", "VIRTUAL_ACCOUNT", "MOBILE_PHONE", "CULTURE_GIFT_CERTIFICATE",
    "FOREIGN_EASY_PAY"];

  function checkAmount({ currency, value } = {}) {
    if (currency !== "KRW") throw refuse("INVALID_AMOUNT_CURRENCY");
    if (!Number.isInteger(value)) throw refuse("INVALID_AMOUNT_VALUE");
    if (value <= 0) throw refuse("BELOW_ZERO_AMOUNT");
  }

  function checkReturn(request) {
    if (!url(request.successUrl)) throw refuse("INCORRECT_SUCCESS_URL_FORMAT");
    if (!url(request.failUrl)) throw refuse("INCORRECT_FAIL_URL_FORMAT");
  }

  function check(request) {
    if (!request || typeof request !== "object") throw refuse("INVALID_PARAMETERS");
    if (!methods.includes(request.method)) throw refuse("INVALID_PARAMETERS", "method");
    checkAmount(request.amount);
    if (!text(request.orderId, 6, 64) || !/^[A-Za-z0-9_=-]+$/.test(request.orderId)) throw refuse("INVALID_ORDER_ID");
    if (!text(request.orderName, 1, 100)) throw refuse("INVALID_ORDER_NAME");
    checkReturn(request);
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
        checkCustomer(customerKey);
        return {
          async requestPayment(request) {
            check(request);
            return leave("/toss/window", clientKey, customerKey, request);
          },
          async requestBillingAuth(request) {
            if (customerKey === TossPayments.ANONYMOUS) throw refuse("INVALID_CUSTOMER_KEY");
            if (!request || !["CARD", "TRANSFER"].includes(request.method)) throw refuse("INVALID_PARAMETERS", "method");
            checkReturn(request);
            return leave("/toss/billing-auth", clientKey, customerKey, request);
          },
        };
      },
      widgets({ customerKey } = {}) {
        if (/_ck_/.test(clientKey)) throw refuse("NOT_SUPPORTED_API_INDIVIDUAL_KEY");
        checkCustomer(customerKey);
        return widgets(clientKey, customerKey);
      },
    };
  }

  function checkCustomer(customerKey) {
    if (customerKey !== TossPayments.ANONYMOUS
        && !(text(customerKey, 2, 50) && /^[A-Za-z0-9_=.@-]+$/.test(customerKey))) {
      throw refuse("INVALID_CUSTOMER_KEY");
    }
  }

  function leave(path, clientKey, customerKey, request) {
    const address = new URL(path, here);
    address.search = new URLSearchParams({ clientKey, customerKey, request: JSON.stringify(request) });
    window.top.location.assign(address);
    return new Promise((_, reject) => { // the page is left; who comes back to it has given up the window
      addEventListener("pageshow", (event) => event.persisted && reject(refuse("USER_CANCEL")), { once: true });
    });
  }

  // The payment widget: the buyer chooses the method on the shop's own page, the rest is the same window.
  function widgets(clientKey, customerKey) {
    const names = { CARD: "카드", TRANSFER: "계좌이체", VIRTUAL_ACCOUNT: "가상계좌", MOBILE_PHONE: "휴대폰" };
    let amount = null, method = null, agreed = null;

    function place(selector) {
      const element = document.querySelector(selector);
      if (!element) throw refuse("INVALID_SELECTOR", selector);
      element.replaceChildren();
      return element;
    }

    function input(type, label, checked) {
      const row = document.createElement("label");
      const box = Object.assign(document.createElement("input"), { type, checked, name: "sandbox-method" });
      row.append(box, " ", label);
      return { row, box };
    }

    async function renderPaymentMethods({ selector }) {
      if (!amount) throw refuse("AMOUNT_NOT_SET", "call setAmount first");
      const element = place(selector);
      const title = document.createElement("p");
      title.textContent = "SANDBOX: 실제 결제 아님";
      element.append(title);
      method = "CARD";
      for (const [value, label] of Object.entries(names)) {
        const { row, box } = input("radio", label, value === method);
        box.addEventListener("change", () => { method = value; });
        box.dataset.testid = `sandbox-method-${value}`;
        element.append(row);
      }
      return { getSelectedPaymentMethod: async () => ({ code: method }) };
    }

    async function renderAgreement({ selector }) {
      const { row, box } = input("checkbox", "결제 서비스 이용 약관에 동의합니다", true);
      box.removeAttribute("name");
      agreed = box;
      place(selector).append(row);
    }

    return {
      async setAmount(value) { checkAmount(value); amount = value; },
      renderPaymentMethods,
      renderAgreement,
      async renderPaymentWindow({ selector = "body", variantKey } = {}) {
        if (!variantKey) throw refuse("INVALID_PARAMETERS", "variantKey");
        const listeners = {};
        const form = Object.assign(document.createElement("form"), { className: "sandbox-widget" });
        form.innerHTML = '<div id="sandbox-methods"></div><div id="sandbox-agreement"></div>'
          + '<button type="submit">결제하기</button> <button type="button">닫기</button>';
        document.querySelector(selector).append(form);
        await renderPaymentMethods({ selector: "#sandbox-methods" });
        await renderAgreement({ selector: "#sandbox-agreement" });
        form.addEventListener("submit", (event) => { event.preventDefault(); listeners.paymentRequest?.({ method }); });
        form.querySelector("[type=button]").addEventListener("click", () => { form.remove(); listeners.cancel?.(); });
        return { on: (name, listener) => { listeners[name] = listener; }, destroy: async () => form.remove() };
      },
      async requestPayment(request) {
        if (!method) throw refuse("NOT_SELECTED_PAYMENT_METHOD");
        if (agreed && !agreed.checked) throw refuse("NEED_AGREEMENT_WITH_REQUIRED_TERMS");
        if (request && ("method" in request || "amount" in request)) throw refuse("INVALID_PARAMETERS", "method, amount");
        const whole = { ...request, method, amount };
        check(whole);
        return leave("/toss/window", clientKey, customerKey, whole);
      },
    };
  }

  TossPayments.ANONYMOUS = "@@ANONYMOUS";
  window.TossPayments = TossPayments;
})();
