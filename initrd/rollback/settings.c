#define _GNU_SOURCE
#include "settings.h"

#include <string.h>

#include "forms.h"
#include "memory.h"

static const char *const yes_no[] = { "yes", "no", NULL };
static const char *const failure[] = { "keep", "stop", NULL };
static const char *const missing_blank[] = { "keep", "create-empty", "stop", NULL };

static const char *set(const char **into, const char *value, bool fits)
{
	*into = value;
	return fits ? NO_FAULT : WRONG_FORM;
}

static const char *take_head(struct settings *settings, const char *key, const char *value)
{
	if (strcmp(key, "FSID") == 0)
		return set(&settings->fsid, value, is_uuid(value));
	if (strcmp(key, "DEVICE") == 0)
		return set(&settings->device, value, is_device(value));
	if (strcmp(key, "ARCHIVE") == 0)
		return set(&settings->archive, value, is_path(value));
	if (strcmp(key, "WIPE") == 0)
		return set(&settings->wipe, value, is_one_of(value, yes_no));
	if (strcmp(key, "ON_FAILURE") == 0)
		return set(&settings->on_failure, value, is_one_of(value, failure));
	if (strcmp(key, "ON_MISSING_BLANK") == 0)
		return set(&settings->on_missing_blank, value, is_one_of(value, missing_blank));
	return UNKNOWN_KEY;
}

static const char *add_required(struct wanted *volume, const char *value)
{
	volume->require = grown(volume->require, volume->required, sizeof *volume->require);
	volume->require[volume->required++] = value;
	return is_required(value) ? NO_FAULT : WRONG_FORM;
}

static const char *take_volume(struct wanted *volume, const char *key, const char *value)
{
	if (strcmp(key, "SUBVOLUME") == 0)
		return set(&volume->path, value, is_path(value));
	if (strcmp(key, "BLANK") == 0)
		return set(&volume->blank, value, value[0] == '\0' || is_path(value));
	if (strcmp(key, "BLANK_UUID") == 0)
		return set(&volume->blank_uuid, value, is_uuid(value));
	if (strcmp(key, "BEFORE") == 0)
		return set(&volume->before, value, is_path(value));
	if (strcmp(key, "BEFORE_UUID") == 0)
		return set(&volume->before_uuid, value, is_uuid(value));
	if (strcmp(key, "REQUIRE") == 0)
		return add_required(volume, value);
	return UNKNOWN_KEY;
}

static const char *take(void *into, const char *key, const char *value)
{
	struct settings *settings = into;

	if (strcmp(key, "VOLUME") == 0) {
		settings->volumes = grown(settings->volumes, settings->count, sizeof *settings->volumes);
		settings->volumes[settings->count++] = (struct wanted){ .name = value };
		return is_name(value) ? NO_FAULT : "is not a plain name";
	}
	if (settings->count == 0)
		return take_head(settings, key, value);
	return take_volume(&settings->volumes[settings->count - 1], key, value);
}

/* Two read-only subvolumes change places only in one directory. */
static bool is_beside(const char *path, const char *other)
{
	const char *name = strrchr(path, '/'), *its_name = strrchr(other, '/');
	size_t length = name ? (size_t)(name - path) : 0, its_length = its_name ? (size_t)(its_name - other) : 0;

	return length == its_length && strncmp(path, other, length) == 0 && strcmp(path, other) != 0;
}

static const char *release_fault(const struct wanted *volume)
{
	if (!volume->before && !volume->before_uuid)
		return NO_FAULT;
	if (!volume->before || !volume->before_uuid || !volume->blank_uuid || !volume->blank[0])
		return words("volume %s has not all of BLANK, BLANK_UUID, BEFORE and BEFORE_UUID", volume->name);
	if (!is_beside(volume->before, volume->blank))
		return words("the release before the blank of %s does not lie beside it", volume->name);
	if (strcmp(volume->before_uuid, volume->blank_uuid) == 0)
		return words("the release before the blank of %s is the blank", volume->name);
	return NO_FAULT;
}

static const char *pair_fault(const struct wanted *one, const struct wanted *other)
{
	if (other->blank[0] && inside(other->blank, one->path))
		return words("the blank of %s lies in volume %s", other->name, one->name);
	if (one == other)
		return NO_FAULT;
	if (strcmp(one->name, other->name) == 0)
		return words("two volumes are named %s", one->name);
	if (inside(other->path, one->path))
		return words("volume %s and volume %s lie in one another", other->name, one->name);
	return NO_FAULT;
}

static const char *complete(void *into)
{
	const struct settings *settings = into;
	const char *fault = NO_FAULT;

	if (!settings->archive || !settings->wipe || !settings->on_failure || !settings->on_missing_blank)
		return "ARCHIVE, WIPE, ON_FAILURE or ON_MISSING_BLANK is missing";
	if (settings->count == 0)
		return "no VOLUME";
	for (size_t i = 0; i < settings->count && !fault; i++) {
		const struct wanted *volume = &settings->volumes[i];

		if (!volume->path || !volume->blank)
			return words("volume %s has no SUBVOLUME or no BLANK", volume->name);
		if (inside(settings->archive, volume->path) || inside(volume->path, settings->archive))
			return words("the archive and volume %s lie in one another", volume->name);
		fault = release_fault(volume);
	}
	for (size_t i = 0; i < settings->count && !fault; i++)
		for (size_t j = 0; j < settings->count && !fault; j++)
			fault = pair_fault(&settings->volumes[i], &settings->volumes[j]);
	return fault;
}

const struct grammar settings_grammar = { .take = take, .complete = complete, .repeated = "REQUIRE" };
