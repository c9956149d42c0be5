/* The forms that values have in the KEY=value files; impermanenced has the same. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT 36

bool is_number(const char *word, size_t digits);
bool is_uuid(const char *word);
/* Whether the first 36 bytes are one; more may follow. */
bool begins_with_uuid(const char *word);
bool is_name(const char *word);
bool is_word(const char *word);
/* A plain path from the top level, of which no shell and no terminal makes something else. */
bool is_path(const char *word);
bool is_device(const char *word);
bool is_required(const char *word);
bool is_release(const char *word);
bool is_one_of(const char *word, const char *const *choices);
bool inside(const char *path, const char *directory);
bool begins_with(const char *word, const char *beginning);

void uuid_text(const unsigned char uuid[16], char text[UUID_TEXT + 1]);
/* As it stands in a file: what is not plain ASCII, and %, as %XX. */
const char *escaped(const char *bytes);
