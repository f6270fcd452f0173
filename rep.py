import subprocess,sys,os
for _ in range(3):
    subprocess.run([sys.executable,"/work/clone/bench/s3.py","--do","Headrace","get","/dev/shm/x/s1k",os.environ["METAFLOW_DATASTORE_SYSROOT_S3"]+"/perf1k"])
    for f in os.listdir("/dev/shm/x/s1k"):
        if not(f[0]=="k" and len(f)==5 or f=="names.json"): os.unlink("/dev/shm/x/s1k/"+f)
