// Node's module hooks that let it load a k6 script as k6 does: the k6 modules by name, the script's own by
// relative path, and nothing else. A script that leans on Node would pass here and fail in k6.

const SCRIPTS = new URL('../', import.meta.url).href;

const STAND_INS = new Map([
  ['k6', new URL('./k6.mjs', import.meta.url).href],
  ['k6/http', new URL('./http.mjs', import.meta.url).href],
  ['k6/encoding', new URL('./encoding.mjs', import.meta.url).href],
  ['k6/execution', new URL('./execution.mjs', import.meta.url).href],
]);

// Globals of Node that k6 lacks. They are hidden in the text of each script, for Node itself needs them.
const HIDDEN = ['process', 'global', 'Buffer', 'URL', 'URLSearchParams', 'fetch', 'performance',
  'structuredClone', 'queueMicrotask', 'setImmediate'];
const PROLOGUE = `const ${HIDDEN.map((name) => `${name} = undefined`).join(', ')};`;

function isScript(url) {
  return url !== undefined && url.startsWith(SCRIPTS) && new URL(url).pathname.endsWith('.js');
}

export async function resolve(specifier, context, nextResolve) {
  const { parentURL } = context;
  if (!isScript(parentURL)) {
    return nextResolve(specifier, context);
  }
  if (STAND_INS.has(specifier)) {
    return { url: STAND_INS.get(specifier), shortCircuit: true };
  }
  if (!specifier.startsWith('./') && !specifier.startsWith('../')) {
    throw new Error(`${new URL(parentURL).pathname} imports "${specifier}", which is not a module of the stand-in`);
  }
  const url = new URL(specifier, parentURL);
  // The query numbers the instance of the script: what it imports belongs to the same virtual user.
  url.search = new URL(parentURL).search;
  return { url: url.href, shortCircuit: true };
}

export async function load(url, context, nextLoad) {
  if (!isScript(url)) {
    return nextLoad(url, context);
  }
  // A `.js` file is CommonJS to Node, unless a package.json says otherwise; to k6 it is always a module.
  const { source } = await nextLoad(url, { ...context, format: 'module' });
  // On the first line, so that line numbers in errors stay true.
  return { format: 'module', source: PROLOGUE + source, shortCircuit: true };
}
