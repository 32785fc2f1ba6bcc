// Lucene 8.

import java.io.IOException;
import org.apache.lucene.codecs.StoredFieldsReader;
import org.apache.lucene.document.Document;
import org.apache.lucene.index.CodecReader;
import org.apache.lucene.index.LeafReader;
import org.apache.lucene.index.StoredFieldVisitor;

final class Access {
  static final class Merge {
    private final StoredFieldsReader stored;

    Merge(CodecReader reader) {
      stored = reader.getFieldsReader().getMergeInstance();
    }

    void visit(int document, StoredFieldVisitor visitor) throws IOException {
      stored.visitDocument(document, visitor);
    }
  }

  static Document document(LeafReader reader, int document) throws IOException {
    return reader.document(document);
  }
}
