// How Nodemailer begins a connection: for each set of options the host and port it wants, whether its first octets on a
// real socket are TLS, whether it says STARTTLS where that is offered and where it is not, and the delays of its timers.
'use strict';
const net = require('net');
const tls = require('tls');
const timer = global.setTimeout;
let delays = [];
global.setTimeout = (call, delay, ...rest) => (delays.push(delay), timer(call, delay, ...rest));
const nodemailer = require('nodemailer');
const shared = require('nodemailer/lib/shared');
shared.resolveHostname = (options, done) => done(null, { host: '127.0.0.1' });
const job = JSON.parse(require('fs').readFileSync(0, 'utf8'));

let wanted;
const connects = { net: net.connect, tls: tls.connect };
function redirect(kind, port) {
  return (options, done) => {
    wanted = { port: options.port, rejects: options.rejectUnauthorized };
    const socket = connects[kind]({ ...options, host: '127.0.0.1', port }, done);
    const setTimer = socket.setTimeout.bind(socket);
    socket.setTimeout = (delay, ...rest) => (delays.push(delay), setTimer(delay, ...rest));
    return socket;
  };
}

function begin(options, offered) {
  return new Promise((resolve) => {
    delays = [];
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      let heard = '';
      socket.write('220 mx.example.com ESMTP\r\n');
      socket.on('data', (octets) => {
        if (!heard && octets[0] === 0x16) return finish('implicit');
        heard += octets;
        const line = heard.split('\r\n').slice(-2)[0];
        if (line.startsWith('EHLO')) return void socket.write(`250-mx.example.com\r\n${offered ? '250-STARTTLS\r\n' : ''}250 AUTH PLAIN\r\n`);
        finish(line.startsWith('STARTTLS') ? 'starttls' : 'clear', (heard.match(/EHLO (\S+)/) || [])[1]);
      });
      function finish(how, helo) {
        const told = { how, helo, delays: delays.slice(), ...wanted, host: seen.host };
        socket.destroy();
        server.close(() => resolve(told));
      }
    });
    const seen = {};
    server.listen(0, '127.0.0.1', () => {
      net.connect = redirect('net', server.address().port);
      tls.connect = redirect('tls', server.address().port);
      const Connection = require('nodemailer/lib/smtp-connection');
      const plain = Connection.prototype.connect;
      Connection.prototype.connect = function (...rest) {
        seen.host = this.host;
        Connection.prototype.connect = plain;
        return plain.apply(this, rest);
      };
      nodemailer.createTransport(options).sendMail({ from: 'a@example.com', to: 'b@example.com', text: '' }, () => {});
    });
  });
}

(async () => {
  const told = [];
  for (const options of job.cases) told.push([await begin(options, true), await begin(options, false)]);
  process.stdout.write(JSON.stringify({ told, services: require('nodemailer/lib/well-known/services.json') }));
  process.exit(0);
})();
