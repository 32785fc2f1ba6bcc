// What a rule's script finds besides the language itself, and what reads its results. Taken before the script runs,
// so that it can't change them.
(() => {
  const { create, defineProperty, getOwnPropertyDescriptor, keys, prototype } = Object;
  const own = Function.prototype.call.bind(prototype.hasOwnProperty);
  const tag = Function.prototype.call.bind(prototype.toString);
  const sizeOf = Function.prototype.call.bind(getOwnPropertyDescriptor(Map.prototype, "size").get);
  const entriesOf = Function.prototype.call.bind(Map.prototype.entries);
  const listOf = Array.from;
  const Big = BigInt;

  const define = (object, name, value) =>
    defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });

  // An object that is read by name and as a Map: `m.a` and `m.get("a")`.
  const both = create(Map.prototype);
  const methods = {
    get(name) { return own(this, name) ? this[name] : undefined; },
    set(name, value) { define(this, name, value); return this; },
    has(name) { return own(this, name); },
    delete(name) { return own(this, name) && delete this[name]; },
    clear() { for (const name of keys(this)) delete this[name]; },
    keys() { return keys(this).values(); },
    values() { return keys(this).map(name => this[name]).values(); },
    entries() { return keys(this).map(name => [name, this[name]]).values(); },
    forEach(each, self) { for (const name of keys(this)) each.call(self, this[name], name, this); },
  };
  for (const name of keys(methods)) {
    defineProperty(both, name, { value: methods[name], writable: true, configurable: true });
  }
  defineProperty(both, Symbol.iterator, { value: methods.entries, writable: true, configurable: true });
  defineProperty(both, "size", {
    get() { return keys(this).length; },
    set(value) { define(this, "size", value); },
    configurable: true,
  });

  // A Map's entries, or what is to be read instead of an object that is neither a plain one nor an array.
  const simple = value => {
    let size;
    try { size = sizeOf(value); } catch { size = undefined; }
    if (size !== undefined) return [true, listOf(entriesOf(value))];
    if (typeof value.toJSON === "function") return [false, value.toJSON()];
    const kind = tag(value);
    if (kind !== "[object Object]") throw new TypeError(`a ${kind.slice(8, -1)} can't be part of a message`);
    return undefined;
  };

  // A number as a double, although it is whole: what tells `1.0` from `1` when it comes back.
  const cell = new Float64Array(1);
  const double = number => { cell[0] = number; return cell[0]; };

  const quiet = () => {};
  globalThis.console = { log: quiet, info: quiet, warn: quiet, error: quiet, debug: quiet, trace: quiet };
  return { both, simple, define, double, big: text => Big(text), text: value => String(value) };
})()
