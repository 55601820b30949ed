// Evaluates expressions in the scope of a prelude and tells each value with its kind. Input: {env, prelude, expressions}.
'use strict';
const vm = require('vm');
const job = JSON.parse(require('fs').readFileSync(0, 'utf8'));

function told(value) {
  if (value === undefined) return ['undefined'];
  if (value === null) return ['null'];
  if (typeof value === 'number') return ['number', String(value)];
  if (typeof value === 'string' || typeof value === 'boolean') return [typeof value, value];
  if (Array.isArray(value)) return ['array', value.map(told)];
  if (typeof value === 'object') return ['object', Object.fromEntries(Object.entries(value).map(([k, v]) => [k, told(v)]))];
  return ['other', typeof value];
}

const results = job.expressions.map((expression) => {
  const context = vm.createContext({ process: { env: { ...job.env } } });
  try {
    const source = `${job.prelude}\n(() => JSON.stringify((${told.toString()})((${expression}))))()`;
    return JSON.parse(vm.runInContext(source, context, { timeout: 1000 }));
  } catch (bad) {
    return ['throws', String(bad.name)];
  }
});
process.stdout.write(JSON.stringify(results));
