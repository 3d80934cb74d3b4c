// Whoever logs out leaves no list of people on the phone (js/door/store.js). Scans that wait there name nobody, and stay
// for the next who signs in. The form goes on when that is done: a page that is left has no time for it.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.getAttribute("action")?.endsWith("/auth/logout") || !window.indexedDB?.databases) return;
  event.preventDefault();
  const doors = (await indexedDB.databases()).filter(({ name }) => name.startsWith("door "));
  await Promise.allSettled(doors.map(({ name }) => new Promise((done) => {
    const opening = indexedDB.open(name);
    opening.onerror = done;
    opening.onsuccess = () => {
      const people = opening.result.transaction("kept", "readwrite");
      people.objectStore("kept").clear();
      people.oncomplete = people.onabort = done;
    };
  })));
  form.submit();
});
