/* The state directory: writing into it, and putting aside what is in the way. */
#pragma once
#include "run.h"

/* Make the filesystem writable, and the directories that are missing. */
void open_state(struct run *run);
/* A name like it that is not taken. */
const char *free_name(struct run *run, const char *path);
/* The text becomes the file, whole or not at all, and no other instead; 0 or -1. */
int store(struct run *run, const char *path, const char *text);
/* Give FROM, if it is there, a name like TO. */
int put_aside(struct run *run, const char *from, const char *to);
void make_archive(struct run *run);
