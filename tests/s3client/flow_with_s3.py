from metaflow import S3, FlowSpec, Run, current, parallel_map, step


class DataFlow(FlowSpec):
    @step
    def start(self):
        with S3(run=self) as s3:
            self.url = s3.put("numbers/one", "1")
            s3.put_many([("numbers/%d" % i, str(i)) for i in range(2, 6)])
            assert s3.get("numbers/one").text == "1"
        self.next(self.work, foreach="items")

    items = [2, 3, 4]

    @step
    def work(self):
        with S3(run=self) as s3:
            self.double = 2 * int(s3.get("numbers/%d" % self.input).text)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.doubles = [i.double for i in inputs]

        def fetch(n):
            with S3(run=self) as s3:
                return int(s3.get("numbers/%d" % n).text)

        self.fetched = parallel_map(fetch, [2, 3, 4, 5])
        with S3(run=Run(current.run_id if "/" in current.run_id else "%s/%s" % (current.flow_name, current.run_id))) as s3:
            self.all = sorted(o.key for o in s3.get_all())
        self.next(self.end)

    @step
    def end(self):
        print("read", self.fetched, self.doubles, self.all)


if __name__ == "__main__":
    DataFlow()
