/* Preloaded: the clock that the environment says. */
#include <stdlib.h>
#include <time.h>

time_t time(time_t *result)
{
	time_t now = atoll(getenv("CLOCK"));

	if (result)
		*result = now;
	return now;
}
