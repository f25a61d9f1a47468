#!/usr/bin/env python3
"""Makes the trees that benchmarks read: the same names, sizes and bytes for the same seed.

usage: datasets.py DIR [--small-files N] [--big-mib N] [--seed N]

DIR/small  N files (200,000), sizes lognormal with a median of 4 KiB (mean 10.7 KiB), 70 % text, in
           directories at most 8 deep, with 1 % hard links, 2.5 % symbolic links, 2 % of the files
           with an attribute, some files with holes
DIR/big    8 files of N MiB (512), every other one random, the others text
A set that is there already, made with the same numbers, is left alone.
"""
import argparse
import json
import os
import random
import shutil

MIB = 1 << 20
DEPTH = 8


def words(rng, count=30000):
    """Pronounceable words, and weights that fall as in a language."""
    def one():
        syllables = (rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(1, 4)))
        return "".join(syllables)
    total, weights = 0.0, []
    for rank in range(count):
        total += 1.0 / (rank + 3)
        weights.append(total)
    return [one() for _ in range(count)], weights


def text(rng, vocabulary, length):
    lines, have = [], 0
    while have < length:
        line = " ".join(rng.choices(vocabulary[0], cum_weights=vocabulary[1], k=2000)).encode() + b"\n"
        lines.append(line)
        have += len(line)
    return b"".join(lines)[:length]


def small(root, count, seed):
    rng = random.Random(seed)
    vocabulary = words(rng)
    stem = lambda: rng.choice(vocabulary[0])
    sources = (text(rng, vocabulary, 64 * MIB), rng.randbytes(64 * MIB))
    os.mkdir(root)
    directories = [(root, 1)]
    while len(directories) < max(2, count * 6 // 100):
        parent, depth = rng.choice(directories)
        if depth < DEPTH:
            path = f"{parent}/{stem()}{len(directories)}"
            os.mkdir(path)
            directories.append((path, depth + 1))
    place = lambda: rng.choice(directories)[0]
    files = []
    for number in range(count):
        path = f"{place()}/{stem()}-{number}.{rng.choice(('c', 'txt', 'json', 'o', 'jpg'))}"
        size = min(int(rng.lognormvariate(8.3178, 1.388)), 16 * MIB)
        source = sources[rng.random() > 0.7]
        at = rng.randrange(len(source) - size)
        with open(path, "wb", buffering=0) as file:
            file.write(source[at:at + size])
        files.append(path)
    for number in range(count // 100):
        os.link(rng.choice(files), f"{place()}/hard{number}")
    for number in range(count // 40):
        os.symlink(os.path.basename(rng.choice(files)), f"{place()}/soft{number}")
    for number in range(count // 50):
        os.setxattr(rng.choice(files), f"user.tag{number % 5}", stem().encode())
    for number in range(max(1, count // 4000)):
        with open(f"{place()}/holes{number}", "wb") as file:
            file.seek(rng.randrange(15) * 65536)
            file.write(sources[1][:65536])
            file.truncate(MIB)


def big(root, mib, seed):
    os.mkdir(root)
    for number in range(8):
        rng = random.Random(seed + number)
        vocabulary = words(rng) if number % 2 else None
        with open(f"{root}/{'text' if number % 2 else 'random'}{number}", "wb") as file:
            sample = text(rng, vocabulary, 8 * MIB) if number % 2 else None
            for _ in range(mib):
                at = rng.randrange(7 * MIB)
                file.write(sample[at:at + MIB] if number % 2 else rng.randbytes(MIB))


def make(parent, name, maker, *numbers):
    root, note = f"{parent}/{name}", f"{parent}/{name}.json"
    wanted = json.dumps(numbers)
    if os.path.exists(note) and open(note).read() == wanted:
        return
    if os.path.exists(note):
        os.remove(note)
    shutil.rmtree(root, ignore_errors=True)
    maker(root, *numbers)
    with open(note, "w") as file:
        file.write(wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir")
    parser.add_argument("--small-files", type=int, default=200_000)
    parser.add_argument("--big-mib", type=int, default=512)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    os.makedirs(args.dir, exist_ok=True)
    make(args.dir, "small", small, args.small_files, args.seed)
    make(args.dir, "big", big, args.big_mib, args.seed)


if __name__ == "__main__":
    main()
