# 50 StatefulSets of five kinds, ten of each, as one List. `$image` is their containers'.
def set($name; $replicas; $more):
  {app: $name} as $labels |
  {
    apiVersion: "apps/v1", kind: "StatefulSet", metadata: {name: $name},
    spec: ({
      replicas: $replicas, serviceName: $name, selector: {matchLabels: $labels},
      template: {
        metadata: {labels: $labels},
        # What the two controllers may write differently: characters that Go escapes, numbers, times, defaults.
        spec: {containers: [{
          name: "main", image: "example.org/main:1", args: ["a<b && c>d", "\"é\u2028\\"],
          resources: {requests: {cpu: "0.5", memory: "1.5Gi"}},
          ports: [{name: "web", containerPort: 80}],
          readinessProbe: {httpGet: {path: "/", port: "web"}}
        }]}
      }
    } * $more)
  };
def claim: {metadata: {name: "data"}, spec: {accessModes: ["ReadWriteOnce"], resources: {requests: {storage: "1Gi"}}}};

{apiVersion: "v1", kind: "List", items: [range(10) |
  set("plain-\(.)"; 2; {}),
  set("parallel-\(.)"; 3; {podManagementPolicy: "Parallel"}),
  set("partition-\(.)"; 2; {updateStrategy: {rollingUpdate: {partition: 1}}}),
  set("claims-\(.)"; 2; {volumeClaimTemplates: [claim]}),
  set("history-\(.)"; 1; {})
]}
