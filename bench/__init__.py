"""The measurements that README quotes: `python -m bench [NAME]`, one JSON line a figure."""
