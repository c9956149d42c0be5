#include "sha256.h"

#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 64
#define ROUNDS 64

static const uint32_t constants[ROUNDS] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turned(uint32_t word, unsigned by)
{
	return word >> by | word << (32 - by);
}

static void spread(uint32_t words[ROUNDS], const unsigned char *block)
{
	for (int i = 0; i < 16; i++) {
		memcpy(&words[i], block + 4 * i, 4);
		words[i] = be32toh(words[i]);
	}
	for (int i = 16; i < ROUNDS; i++) {
		uint32_t one = words[i - 15], two = words[i - 2];

		words[i] = words[i - 16] + (turned(one, 7) ^ turned(one, 18) ^ one >> 3) + words[i - 7] +
			   (turned(two, 17) ^ turned(two, 19) ^ two >> 10);
	}
}

static void add_block(uint32_t state[8], const unsigned char *block)
{
	uint32_t words[ROUNDS], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4],
				f = state[5], g = state[6], h = state[7];

	spread(words, block);
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t one = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) +
			       constants[i] + words[i];
		uint32_t two = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

		h = g;
		g = f;
		f = e;
		e = d + one;
		d = c;
		c = b;
		b = a;
		a = one + two;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

void sha256(const void *bytes, size_t size, char text[SHA256_TEXT + 1])
{
	uint32_t state[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	const unsigned char *at = bytes, *end = at + size;
	unsigned char tail[2 * BLOCK] = { 0 };
	uint64_t bits = htobe64((uint64_t)size * 8);
	size_t left, blocks;

	for (; end - at >= BLOCK; at += BLOCK)
		add_block(state, at);
	left = (size_t)(end - at);
	if (left)
		memcpy(tail, at, left);
	tail[left] = 0x80;
	blocks = left + 1 + sizeof bits > BLOCK ? 2 : 1;
	memcpy(tail + blocks * BLOCK - sizeof bits, &bits, sizeof bits);
	for (size_t i = 0; i < blocks; i++)
		add_block(state, tail + i * BLOCK);
	for (int i = 0; i < 8; i++)
		sprintf(text + 8 * i, "%08x", state[i]);
}
