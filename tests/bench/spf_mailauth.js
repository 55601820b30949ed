// The side of mailauth in bench_spf, asked by lines as spf_pyspf.py is. NODE_PATH names the folder that has it.
'use strict';

const { spf } = require('mailauth/lib/spf');
const world = JSON.parse(require('node:fs').readFileSync(process.argv[2], 'utf8'));
const shaped = { TXT: value => [value], MX: ([priority, exchange]) => ({ priority, exchange }) };
const answers = new Map();
for (const [name, types] of Object.entries(world.records)) {
    for (const [type, values] of Object.entries(types)) {
        answers.set(`${type} ${name}`, values.map(shaped[type] || (value => value)));
    }
}

const resolver = async (name, type) => {
    const at = name.indexOf('._list.');
    const found = answers.get(`${type} ${name}`) || (at > 0 && answers.get(`${type} *${name.slice(at)}`));
    if (!found) {
        throw Object.assign(new Error('nothing'), { code: 'ENOTFOUND' });
    }
    return found;
};

const check = async ([ip, sender, helo]) => (await spf({ ip, sender, helo, mta: 'mx.receiver.example', resolver })).status.result;

(async () => {
    for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
        const [verb, count] = line.split(' ');
        if (verb === 'results') {
            const words = [];
            for (const tuple of world.tuples) {
                words.push(await check(tuple));
            }
            console.log(words.join(' '));
            continue;
        }
        const before = process.cpuUsage();
        for (let pass = 0; pass < Number(count); pass++) {
            for (const tuple of world.tuples) {
                await check(tuple);
            }
        }
        const { user, system } = process.cpuUsage(before);
        console.log((user + system) / 1e6);
    }
})();
