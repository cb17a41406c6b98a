// A certificate authority for one run: its certificate for the servers, and a store that makes browsers believe it. Chromium and
// Firefox check TURN over TLS as they check https, so one store serves for both.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../scripts/lib/run.mjs";

const DAYS = "2";
const CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/**
 * Makes everything in a folder. `names` are those of hosts. Gives `certificateFile` and `keyFile` of a certificate that
 * is good for all of them, and `trusted`, a folder with NSS's store of believed authorities.
 */
export async function createAuthority(folder, names) {
  const file = (name) => join(folder, name);
  const openssl = (...args) => run(process.env.OPENSSL_PATH, args, { show: "never" });
  const [root, rootKey] = [file("root.pem"), file("root.key")];
  const extensions = [
    "-addext",
    "basicConstraints=critical,CA:TRUE",
    "-addext",
    "keyUsage=critical,keyCertSign",
  ];
  const subject = ["-subj", "/CN=Authority of a small internet"];
  await openssl(
    "req",
    "-x509",
    ...CURVE,
    "-days",
    DAYS,
    ...subject,
    ...extensions,
    "-keyout",
    rootKey,
    "-out",
    root,
  );

  const named = names.map((name) => `DNS:${name}`);
  writeFileSync(file("names"), `subjectAltName=${named.join(",")}\nextendedKeyUsage=serverAuth\n`);
  const [certificateFile, keyFile] = [file("server.pem"), file("server.key")];
  const request = file("server.csr");
  await openssl("req", "-new", ...CURVE, "-subj", "/CN=server", "-keyout", keyFile, "-out", request);
  const signing = ["-CA", root, "-CAkey", rootKey, "-CAcreateserial", "-extfile", file("names")];
  await openssl("x509", "-req", "-in", request, ...signing, "-days", DAYS, "-out", certificateFile);

  const trusted = file("trusted");
  mkdirSync(trusted);
  const certutil = (...args) =>
    run(process.env.CERTUTIL_PATH, [...args, "-d", `sql:${trusted}`], { show: "never" });
  await certutil("-N", "--empty-password");
  await certutil("-A", "-n", "small internet", "-t", "C,,", "-i", root);
  return { folder, certificateFile, keyFile, trusted };
}
