/** Names that are easy to say and to remember, for people and rooms that have none yet. */

const FIRST = ["Quiet", "Bright", "Early", "Merry", "Gentle", "Nimble", "Patient", "Clever", "Sunny", "Bold"];
const SECOND = ["Heron", "Otter", "Maple", "Finch", "Willow", "Badger", "Clover", "Lynx", "Juniper", "Wren"];

/** A number below this one, by chance. */
export function pick(length: number): number {
  return Math.floor(Math.random() * length);
}

/** Such as "Quiet Heron". */
export function suggestName(): string {
  return `${FIRST[pick(FIRST.length)]} ${SECOND[pick(SECOND.length)]}`;
}
