import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FleetError } from "@muster/fleet";
import { decodePageToken, decodeToken, encodeToken, pageOf, parsePageSize } from "./paging.ts";

describe("page size", () => {
  const cases = [
    { name: "defaults to 50", asked: 0, size: 50 },
    { name: "takes 1", asked: 1, size: 1 },
    { name: "takes 1000", asked: 1000, size: 1000 },
    { name: "refuses 1001", asked: 1001, size: null },
    { name: "refuses negative ones", asked: -1, size: null },
  ];
  for (const { name, asked, size } of cases) {
    it(name, () => {
      if (size !== null) assert.equal(parsePageSize(asked), size);
      else assert.throws(() => parsePageSize(asked), { code: "invalid" });
    });
  }
});

describe("a token", () => {
  const list = ["agents", "env=prod"];

  it("leads back to its place", () => {
    assert.deepEqual(decodeToken("resume_token", list, encodeToken(list, ["1-0", "2-0"])), ["1-0", "2-0"]);
    assert.equal(decodePageToken(list, encodeToken(list, "uid")), "uid");
  });

  it("is the beginning when it is empty", () => {
    assert.equal(decodePageToken(list, ""), "");
  });

  const wrong = [
    { name: "that is not one", token: "garbage" },
    { name: "of another selector", token: encodeToken(["agents", "env=dev"], "uid") },
    { name: "of another method", token: encodeToken(["configs", "env=prod"], "uid") },
    { name: "of another version", token: Buffer.from(JSON.stringify([99, "x", "uid"])).toString("base64url") },
    { name: "that is JSON of another shape", token: Buffer.from("{}").toString("base64url") },
  ];
  for (const { name, token } of wrong) {
    it(`${name} is refused, naming the field`, () => {
      assert.throws(
        () => decodePageToken(list, token),
        (error: FleetError) => error.violations[0]?.field === "page_token",
      );
    });
  }
});

describe("a page", () => {
  const list = ["letters"];
  const page = (items: readonly string[]) => pageOf(items, 2, list, (item) => item);

  it("leads on when there is one item too many", () => {
    const { items, nextPageToken } = page(["a", "b", "c"]);
    assert.deepEqual(items, ["a", "b"]);
    assert.equal(decodePageToken(list, nextPageToken), "b");
  });

  it("is the last when there is not", () => {
    assert.deepEqual(page(["a", "b"]), { items: ["a", "b"], nextPageToken: "" });
  });
});
