// Writes counts and quantities as the reader's locale does, once the page is hydrated: the first
// render equals the server's. The marks that tell them are no-break spaces: narrow ones between
// groups of digits, and one before a unit. Values of results, which have neither, keep the form
// in which programs read them; so a point never groups digits, or 1.234 would be two numbers.
globalThis.localNumbers = (() => {
  const SPACE = "\u202f";
  // The locale is loaded at the first number, not before the first paint: that takes 40 ms.
  let format;
  const numbers = () => (format ??= new Intl.NumberFormat(undefined, { numberingSystem: "latn" }));
  const decimal = () => numbers().formatToParts(0.5).find((part) => part.type === "decimal").value;
  const grouped = (digits) => numbers().format(BigInt(digits.replaceAll(SPACE, ""))).replaceAll(".", SPACE);
  const write = (text) => {
    const local = text.data
      .replace(/\d{1,3}(?:\u202f\d{3})+/g, grouped)
      .replace(/(\d)\.(?=\d+\u00a0)/g, (_, digit) => digit + decimal());
    if (local !== text.data && !text.parentElement?.closest("code, pre, script")) text.data = local;
  };
  const all = (root) => {
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) write(texts.currentNode);
  };
  const changed = ({ type, target, addedNodes }) => {
    if (type === "characterData") write(target);
    for (const node of addedNodes) node.nodeType === Node.TEXT_NODE ? write(node) : all(node);
  };
  const observer = new MutationObserver((changes) => changes.forEach(changed));
  return (root) => {
    all(root);
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
  };
})();
