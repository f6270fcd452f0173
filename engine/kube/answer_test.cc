#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/request.h"
#include "net/testing/certificates.h"

namespace headrace::kube {
namespace {

using ::testing::HasSubstr;

Call call(const std::string& method, const std::string& path) {
  Call made;
  made.method = method;
  made.path = path;
  return made;
}

Answer status(int code, const std::string& reason, const std::string& message) {
  return {.status = code, .body = {{"kind", "Status"}, {"reason", reason}, {"message", message}, {"code", code}}};
}

Access dev() {
  Access access;
  access.context = "dev";
  access.source = "/home/me/.kube/config";
  return access;
}

TEST(Target, IsNamedInKubernetesWords) {
  EXPECT_EQ(target_of(call("POST", "/api/v1/namespaces/ml/pods")).described(), "create pods in namespace `ml`");
  EXPECT_EQ(target_of(call("GET", "/api/v1/namespaces/ml/pods")).described(), "list pods in namespace `ml`");
  EXPECT_EQ(target_of(call("GET", "/api/v1/namespaces/ml/pods/a/log")).described(), "get pods/log `a` in namespace `ml`");
  EXPECT_EQ(target_of(call("DELETE", "/apis/batch/v1/namespaces/ml/jobs/a")).described(), "delete jobs `a` in namespace `ml`");
  EXPECT_EQ(target_of(call("DELETE", "/api/v1/namespaces/ml/pods")).verb, "deletecollection");
  EXPECT_EQ(target_of(call("PATCH", "/apis/batch/v1/namespaces/ml/jobs/a")).group, "batch");
  EXPECT_EQ(target_of(call("GET", "/api/v1/namespaces/ml")).described(), "get namespaces `ml`");
  EXPECT_EQ(target_of(call("GET", "/api/v1/nodes")).described(), "list nodes");
  EXPECT_EQ(target_of(call("GET", "/version")).described(), "get the API");
  Call watch = call("GET", "/api/v1/namespaces/ml/pods");
  watch.query["watch"] = "true";
  EXPECT_EQ(target_of(watch).verb, "watch");
}

TEST(Target, TextIsEscaped) {
  Call list = call("GET", "/api/v1/pods");
  list.query = {{"labelSelector", "a in (b,c)"}, {"limit", "5"}};
  EXPECT_EQ(target_text(list), "/api/v1/pods?labelSelector=a%20in%20%28b%2Cc%29&limit=5");
}

TEST(Answer, KeepsWhatIsNotJson) {
  const Answer answer = to_answer(502, "bad\ngateway\n");
  EXPECT_EQ(answer.message(), "bad gateway");
  EXPECT_EQ(answer.reason(), "");
  EXPECT_EQ(to_answer(200, "").message(), "");
  EXPECT_LT(to_answer(500, std::string(100'000, 'x')).message().size(), 1100u);
}

TEST(Refusal, OfARightNamesIt) {
  const Error error = refusal(call("POST", "/api/v1/namespaces/ml/pods"),
                              status(403, "Forbidden", "pods is forbidden: User \"me\" cannot create resource \"pods\""), dev());
  EXPECT_EQ(error.kind, Kind::denied);
  EXPECT_EQ(error.what, "cannot create pods in namespace `ml`");
  EXPECT_EQ(error.where, "context `dev` of /home/me/.kube/config");
  EXPECT_THAT(error.why, HasSubstr("User \"me\" cannot create"));
  EXPECT_EQ(error.next, "have the right `create` on `pods` (API group ``) in namespace `ml` given to this user");
}

TEST(Refusal, TellsQuotaAndAdmissionFromRights) {
  const Call create = call("POST", "/api/v1/namespaces/ml/pods");
  const auto next = [&](const char* message) { return refusal(create, status(403, "Forbidden", message), dev()).next; };
  EXPECT_THAT(next("pods \"a\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=5"), HasSubstr("quota raised"));
  EXPECT_THAT(next("pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\""), HasSubstr("must change in the pod"));
  EXPECT_THAT(next("unable to create new content in namespace ml because it is being terminated"), HasSubstr("is being deleted"));
  EXPECT_THAT(next("admission webhook \"x\" denied the request"), HasSubstr("administrator"));
}

TEST(Refusal, OfCredentialsSaysWhichTheyAre) {
  const Call list = call("GET", "/api/v1/namespaces/ml/pods");
  const auto why = [&](const Access& access) { return refusal(list, status(401, "Unauthorized", "Unauthorized"), access).why; };
  Access access = dev();
  EXPECT_THAT(why(access), HasSubstr("there are none"));
  access.token = Secret("s3cret");
  EXPECT_THAT(why(access), HasSubstr("they are a token"));
  EXPECT_EQ(why(access).find("s3cret"), std::string::npos);
  access = dev();
  access.token_file = "/run/token";
  EXPECT_THAT(why(access), HasSubstr("/run/token"));
  access = dev();
  access.exec = ExecPlugin{.command = "cloud-login"};
  EXPECT_THAT(why(access), HasSubstr("`cloud-login`"));
  access = dev();
  net::testing::CertificateSpec spec;
  spec.common_name = "me";
  spec.starts = std::chrono::hours(-48);
  spec.ends = std::chrono::hours(-24);
  access.certificate_pem = make_certificate(net::testing::make_authority(), spec).pem;
  EXPECT_THAT(why(access), HasSubstr("client certificate `CN = me`, which expired at 2"));
}

TEST(Refusal, OfAMissingNamespaceSaysSo) {
  Answer answer = status(404, "NotFound", "namespaces \"ml\" not found");
  answer.body["details"] = {{"name", "ml"}, {"kind", "namespaces"}};
  const Error error = refusal(call("POST", "/api/v1/namespaces/ml/pods"), answer, dev());
  EXPECT_EQ(error.kind, Kind::missing);
  EXPECT_EQ(error.next, "create the namespace `ml`, or choose another one");
}

TEST(Refusal, OfAnotherServerSaysSo) {
  const Call list = call("GET", "/api/v1/namespaces/ml/pods");
  EXPECT_THAT(refusal(list, to_answer(404, "<html>not found</html>"), dev()).next, HasSubstr("that of a Kubernetes API server"));
  EXPECT_THAT(refusal(list, to_answer(302, ""), dev()).next, HasSubstr("login page"));
}

TEST(Refusal, HasTheKindThatCallersActOn) {
  const Call create = call("POST", "/api/v1/namespaces/ml/pods");
  const auto kind = [&](int code) { return refusal(create, status(code, "X", "y"), dev()).kind; };
  EXPECT_EQ(kind(400), Kind::misuse);
  EXPECT_EQ(kind(401), Kind::denied);
  EXPECT_EQ(kind(403), Kind::denied);
  EXPECT_EQ(kind(404), Kind::missing);
  EXPECT_EQ(kind(409), Kind::failed);
  EXPECT_EQ(kind(410), Kind::missing);
  EXPECT_EQ(kind(422), Kind::misuse);
  EXPECT_EQ(kind(429), Kind::retry);
  EXPECT_EQ(kind(500), Kind::retry);
  EXPECT_EQ(kind(503), Kind::retry);
}

}  // namespace
}  // namespace headrace::kube
