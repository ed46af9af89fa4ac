#!/usr/bin/env node
// Gives forge a Solidity compiler that needs neither a native binary nor the network.
//
// forge speaks to a compiler in two ways: it asks for the version, and it writes a standard JSON
// request to the standard input and reads the answer. Both are served from the pinned
// npm package. forge always sends the text of every source, so an import that is not in the
// request is an error rather than something to be looked up.
'use strict';

const solc = require('solc');

if (process.argv.includes('--version')) {
  console.log('solc, the solidity compiler commandline interface');
  console.log(`Version: ${solc.version()}`);
} else {
  const request = require('fs').readFileSync(0, 'utf8');
  const answer = solc.compile(request, { import: (path) => ({ error: `not in the request: ${path}` }) });
  process.stdout.write(answer);
}
