// mailauth for tests/peers/test_verifiers.py. Reads one JSON object from standard input, writes one:
//   {"verify": {"nameserver": [HOST, PORT], "messages": {NAME: BASE64}}}  ->  {NAME: [[RESULT, DETAIL, SELECTOR], ...]}
//   {"sign": {"domain": D, "selector": S, "key": PEM, "messages": {NAME: [CANONICALIZATION, BASE64]}}}
//       ->  {NAME: SIGNATURE FIELD}
'use strict';

const { Resolver } = require('node:dns').promises;
const { text } = require('node:stream/consumers');
const { dkimSign } = require('mailauth/lib/dkim/sign');
const { dkimVerify } = require('mailauth/lib/dkim/verify');

async function verify(job) {
    const dns = new Resolver();
    dns.setServers([job.nameserver.join(':')]);
    const told = {};
    for (const [name, message] of Object.entries(job.messages)) {
        const { results } = await dkimVerify(Buffer.from(message, 'base64'), {
            resolver: (domain, type) => dns.resolve(domain, type)
        });
        told[name] = results.map(one => [one.status.result, one.status.comment || '', one.selector]);
    }
    return told;
}

async function sign(job) {
    const told = {};
    for (const [name, [canonicalization, message]] of Object.entries(job.messages)) {
        const { signatures, errors } = await dkimSign(Buffer.from(message, 'base64'), {
            canonicalization,
            signTime: new Date(), // left out, mailauth reads the clock twice and may sign another second than it writes
            signatureData: [{ signingDomain: job.domain, selector: job.selector, privateKey: job.key }]
        });
        if (errors.length) {
            throw errors[0].err || new Error(JSON.stringify(errors[0]));
        }
        told[name] = signatures;
    }
    return told;
}

async function main() {
    const job = JSON.parse(await text(process.stdin));
    process.stdout.write(JSON.stringify(await (job.verify ? verify(job.verify) : sign(job.sign))));
}

main();
